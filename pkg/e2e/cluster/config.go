package cluster

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Config names the cluster and says how to create it. FromEnvironment fills it.
type Config struct {
	Name string // KIND_CLUSTER, default e2e
	// Port is the first of Ports ports on the host's loopback interface. They lead to the same
	// NodePorts of the cluster. Two clusters at the same time need different ports. KIND_PORT, default
	// 30080.
	Port int
	// Workers is the number of nodes in addition to the control plane. KIND_WORKERS, default 0.
	Workers int
	// NodeImage is "pull" (the image that kind names), "local" (an image built here), or "auto" (local
	// if a local image exists or the pull fails). KIND_NODE, default auto.
	NodeImage string
	// Folder holds the kubeconfig, the folder that the nodes share, and saved settings of this
	// machine. KIND_WORK_DIR, default kind-local in TMPDIR or /var/tmp.
	Folder string
	// Scripts is the folder hack/kind, which contains build-node-image.
	Scripts string
}

// Ports is the number of loopback ports of a cluster. Port is for the release of `make kind-up`,
// the next four are for instances of the release under test, and the sixth is for the door
// (hack/e2e/door).
const Ports = 6

const (
	firstPort, lastPort = 30000, 32767 // Kubernetes' default range of NodePorts
	maxWorkers          = 16
)

// FromEnvironment reads the settings from environment variables. scripts is the path of the folder
// hack/kind.
func FromEnvironment(scripts string) (Config, error) {
	temporary := cmp.Or(os.Getenv("TMPDIR"), "/var/tmp")
	c := Config{
		Name: cmp.Or(os.Getenv("KIND_CLUSTER"), "e2e"), NodeImage: cmp.Or(os.Getenv("KIND_NODE"), "auto"),
		Folder: cmp.Or(os.Getenv("KIND_WORK_DIR"), filepath.Join(temporary, "kind-local")), Scripts: scripts,
	}
	var err error
	if c.Port, err = number("KIND_PORT", 30080, firstPort, lastPort-Ports+1); err != nil {
		return c, err
	}
	if c.Workers, err = number("KIND_WORKERS", 0, 0, maxWorkers); err != nil {
		return c, err
	}
	switch c.NodeImage {
	case "auto", "pull", "local":
		return c, nil
	}
	return c, fmt.Errorf("KIND_NODE is %q, want auto, pull or local", c.NodeImage)
}

// number reads a number between least and most from an environment variable.
func number(name string, otherwise, least, most int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %q, want a number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// SharedMount is the path of Shared in each node.
const SharedMount = "/shared"

// Shared returns the folder of the host that all nodes see at SharedMount. Tests use it as a volume
// that pods on different nodes share.
func (c Config) Shared() string { return filepath.Join(c.Folder, c.Name+".shared") }

// Kubeconfig returns the path of the file with which kubectl and helm reach the cluster.
func (c Config) Kubeconfig() string { return filepath.Join(c.Folder, c.Name+".kubeconfig") }
