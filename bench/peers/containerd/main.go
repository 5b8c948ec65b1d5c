// Times containerd's own devmapper snapshotter, called in its process. `open` takes ROOT POOL SIZE FILESYSTEM; the pool runs.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/mount"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/devmapper"
	"github.com/sirupsen/logrus"

	"mica-bench/agent"
)

func main() {
	logrus.SetLevel(logrus.WarnLevel)
	ctx := context.Background()
	var root string
	var snapshotter snapshots.Snapshotter
	mountPoint := func(key string) string { return filepath.Join(root, "mnt", key) }
	agent.Serve(agent.Operations{
		"open": func(arguments []string) (err error) {
			root = arguments[0]
			config := devmapper.Config{
				RootPath:      root,
				PoolName:      arguments[1],
				BaseImageSize: arguments[2],
				// As the others do on loopback files.
				DiscardBlocks: true,
			}
			// The type has no name outside of its package.
			switch arguments[3] {
			case "ext4":
				config.FileSystemType = "ext4"
			case "xfs":
				config.FileSystemType = "xfs"
			default:
				return fmt.Errorf("no such file system: %s", arguments[3])
			}
			snapshotter, err = devmapper.NewSnapshotter(ctx, &config)
			return err
		},
		"base": func([]string) error {
			if _, err := snapshotter.Prepare(ctx, "preparing", ""); err != nil {
				return err
			}
			return snapshotter.Commit(ctx, "image", "preparing")
		},
		"create": func(arguments []string) error {
			_, err := snapshotter.Prepare(ctx, arguments[0], "image")
			return err
		},
		"mount": func(arguments []string) error {
			mounts, err := snapshotter.Mounts(ctx, arguments[0])
			if err != nil {
				return err
			}
			if err := os.MkdirAll(mountPoint(arguments[0]), 0700); err != nil {
				return err
			}
			return mount.All(mounts, mountPoint(arguments[0]))
		},
		"unmount": func(arguments []string) error {
			if err := mount.UnmountAll(mountPoint(arguments[0]), 0); err != nil {
				return err
			}
			return os.Remove(mountPoint(arguments[0]))
		},
		"remove": func(arguments []string) error { return snapshotter.Remove(ctx, arguments[0]) },
		"close":  func([]string) error { return snapshotter.Close() },
	})
}
