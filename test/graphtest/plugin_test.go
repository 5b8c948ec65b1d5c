// Docker's own tests of graph drivers (daemon/graphdriver/graphtest of its engine), run against a plugin through the engine's own client.
// MICA_PLUGIN names the plugin: its socket is /run/docker/plugins/$MICA_PLUGIN.sock.
package graphtest

import (
	"os"
	"testing"

	"github.com/docker/docker/daemon/graphdriver"
	suite "github.com/docker/docker/daemon/graphdriver/graphtest"
	"github.com/docker/docker/pkg/idtools"
	"github.com/docker/docker/pkg/plugingetter"
	"github.com/docker/docker/pkg/plugins"
	"github.com/docker/docker/pkg/reexec"
)

const driver = "mica"

// legacy finds plugins by their sockets, as dockerd does.
type legacy struct{ plugingetter.PluginGetter }

func (legacy) Get(name, capability string, mode int) (plugingetter.CompatPlugin, error) {
	return plugins.Get(name, capability)
}

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	plugin := os.Getenv("MICA_PLUGIN")
	graphdriver.Register(driver, func(root string, options []string, uids, gids []idtools.IDMap) (graphdriver.Driver, error) {
		return graphdriver.GetDriver(plugin, legacy{}, graphdriver.Options{
			Root:                root,
			DriverOptions:       options,
			UIDMaps:             uids,
			GIDMaps:             gids,
			ExperimentalEnabled: true,
		})
	})
	os.Exit(m.Run())
}

// One driver for all tests until Teardown, as in Docker's tests of its own drivers.
func TestSetup(t *testing.T)         { suite.GetDriver(t, driver) }
func TestCreateEmpty(t *testing.T)   { suite.DriverTestCreateEmpty(t, driver) }
func TestCreateBase(t *testing.T)    { suite.DriverTestCreateBase(t, driver) }
func TestCreateSnap(t *testing.T)    { suite.DriverTestCreateSnap(t, driver) }
func TestDeepLayerRead(t *testing.T) { suite.DriverTestDeepLayerRead(t, 32, driver) }
func TestDiffApply(t *testing.T)     { suite.DriverTestDiffApply(t, 10, driver) }
func TestChanges(t *testing.T)       { suite.DriverTestChanges(t, driver) }
func TestSetQuota(t *testing.T)      { suite.DriverTestSetQuota(t, driver, true) }
func TestTeardown(t *testing.T)      { suite.PutDriver(t) }

func BenchmarkExists(b *testing.B)         { suite.DriverBenchExists(b, driver) }
func BenchmarkGetEmpty(b *testing.B)       { suite.DriverBenchGetEmpty(b, driver) }
func BenchmarkDiffBase(b *testing.B)       { suite.DriverBenchDiffBase(b, driver) }
func BenchmarkDiffSmallUpper(b *testing.B) { suite.DriverBenchDiffN(b, 10, 10, driver) }
func BenchmarkDiffLargeUpper(b *testing.B) { suite.DriverBenchDiffN(b, 10, 100, driver) }
func BenchmarkDiffApply100(b *testing.B)   { suite.DriverBenchDiffApplyN(b, 100, driver) }
func BenchmarkDeepLayerDiff(b *testing.B)  { suite.DriverBenchDeepLayerDiff(b, 20, driver) }
func BenchmarkDeepLayerRead(b *testing.B)  { suite.DriverBenchDeepLayerRead(b, 20, driver) }
