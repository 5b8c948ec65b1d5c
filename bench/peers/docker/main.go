// Times Docker's own devicemapper graph driver, called as its daemon calls it. `open` takes HOME OPTION…
package main

import (
	"github.com/docker/docker/daemon/graphdriver"
	"github.com/docker/docker/daemon/graphdriver/devmapper"
	"github.com/docker/docker/pkg/reexec"
	"github.com/sirupsen/logrus"

	"mica-bench/agent"
)

func main() {
	if reexec.Init() {
		return
	}
	logrus.SetLevel(logrus.WarnLevel)
	var driver graphdriver.Driver
	agent.Serve(agent.Operations{
		"open": func(arguments []string) (err error) {
			driver, err = devmapper.Init(arguments[0], arguments[1:], nil, nil)
			return err
		},
		"base": func([]string) error { return driver.Create("image", "", nil) },

		"create": func(arguments []string) error {
			return driver.CreateReadWrite(arguments[0], "image", nil)
		},
		"mount": func(arguments []string) error {
			_, err := driver.Get(arguments[0], "")
			return err
		},
		"unmount": func(arguments []string) error { return driver.Put(arguments[0]) },
		"remove":  func(arguments []string) error { return driver.Remove(arguments[0]) },
		"close":   func([]string) error { return driver.Cleanup() },
	})
}
