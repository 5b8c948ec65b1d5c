// Runs containerd's own suite for snapshotters against the one that is served on a socket, MICA_SNAPSHOTTER, and removes what the suite left.
package conformance

import (
	"context"
	"os"
	"testing"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/errdefs"
	"github.com/containerd/containerd/pkg/dialer"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/proxy"
	"github.com/containerd/containerd/snapshots/testsuite"
	"google.golang.org/grpc"
)

func TestSnapshotter(t *testing.T) {
	socket := os.Getenv("MICA_SNAPSHOTTER")
	if socket == "" {
		t.Fatal("MICA_SNAPSHOTTER has to be the path of a snapshotter's socket")
	}
	// As containerd dials its proxy plugins.
	connection, err := grpc.Dial(dialer.DialAddress(socket), grpc.WithInsecure(), grpc.WithContextDialer(dialer.ContextDialer))
	if err != nil {
		t.Fatal(err)
	}
	snapshotter := proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(connection), "mica")
	t.Cleanup(func() {
		removeAll(t, snapshotter)
		connection.Close()
	})
	testsuite.SnapshotterSuite(t, "mica", func(context.Context, string) (snapshots.Snapshotter, func() error, error) {
		return snapshotter, nil, nil
	})
}

// removeAll removes snapshots from the leaves down, until none is left.
func removeAll(t *testing.T, snapshotter snapshots.Snapshotter) {
	ctx := context.Background()
	for {
		var keys []string
		err := snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
			keys = append(keys, info.Name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		removed := 0
		for _, key := range keys {
			if err := snapshotter.Remove(ctx, key); err == nil {
				removed++
			} else if !errdefs.IsFailedPrecondition(err) {
				t.Errorf("cannot remove %s: %v", key, err)
			}
		}
		if removed == 0 {
			if len(keys) > 0 {
				t.Errorf("these cannot be removed: %v", keys)
			}
			return
		}
	}
}
