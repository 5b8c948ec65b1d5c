// Times containerd's own devmapper snapshotter, called in its process. Usage: containerd-snapshotter ROOT POOL SIZE FILESYSTEM
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
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: containerd-snapshotter ROOT POOL SIZE FILESYSTEM DISCARD")
		os.Exit(2)
	}
	logrus.SetLevel(logrus.WarnLevel)
	ctx := context.Background()
	config := devmapper.Config{
		RootPath:      os.Args[1],
		PoolName:      os.Args[2],
		BaseImageSize: os.Args[3],
		DiscardBlocks: os.Args[5] == "true",
	}
	switch os.Args[4] {
	case "ext4":
		config.FileSystemType = "ext4"
	case "xfs":
		config.FileSystemType = "xfs"
	}
	mountPoint := func(key string) string { return filepath.Join(config.RootPath, "mnt", key) }
	var snapshotter snapshots.Snapshotter
	agent.Serve(agent.Operations{
		"open": func([]string) (err error) {
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
