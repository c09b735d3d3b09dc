package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kind "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/cmd"
)

const (
	// readyTime is how long the nodes of a new cluster may take to become ready. It takes a minute on
	// a quiet machine with two cores.
	readyTime = 5 * time.Minute
	// answerTime is how long an API server may take to answer that it is ready.
	answerTime = 10 * time.Second
)

// kubeletPatch lets the kubelet start on a host that has only cgroup v1. It has no effect on cgroup
// v2.
const kubeletPatch = "kind: KubeletConfiguration\nfailCgroupV1: false\n"

func provider() *kind.Provider {
	return kind.NewProvider(kind.ProviderWithDocker(), kind.ProviderWithLogger(cmd.NewLogger()))
}

// Up creates the cluster unless it exists and answers, and writes its kubeconfig. made is true if
// Up created the cluster.
func Up(ctx context.Context, c Config) (made bool, err error) {
	if err := os.MkdirAll(c.Shared(), 0o755); err != nil {
		return false, fmt.Errorf("make work folder: %w", err)
	}
	p := provider()
	there, err := exists(p, c.Name)
	if err != nil {
		return false, err
	}
	if there && !answers(ctx, p, c.Name) { // for example after the Docker engine was killed
		if err := p.Delete(c.Name, c.Kubeconfig()); err != nil {
			return false, fmt.Errorf("remove a cluster that does not answer: %w", err)
		}
		there = false
	}
	if there {
		if err := c.checkPorts(ctx); err != nil {
			return false, err
		}
		if err := c.checkNodes(ctx, p); err != nil {
			return false, err
		}
		return false, p.ExportKubeConfig(c.Name, c.Kubeconfig(), false)
	}
	image, local, err := c.image(ctx)
	if err != nil {
		return false, err
	}
	if err := c.keepSysctls(); err != nil {
		return false, err
	}
	options := []kind.CreateOption{
		kind.CreateWithV1Alpha4Config(c.spec()),
		kind.CreateWithKubeconfigPath(c.Kubeconfig()),
		kind.CreateWithWaitForReady(readyTime),
		kind.CreateWithNodeImage(image),
		kind.CreateWithDisplayUsage(false),
		kind.CreateWithDisplaySalutation(false),
	}
	if err := p.Create(c.Name, options...); err != nil {
		return false, fmt.Errorf("make cluster: %w", err)
	}
	if local && c.Workers > 0 {
		return true, routes(ctx, p, c.Name)
	}
	return true, nil
}

// spec returns the cluster configuration for kind.
func (c Config) spec() *v1alpha4.Cluster {
	first := v1alpha4.Node{Role: v1alpha4.ControlPlaneRole}
	for port := c.Port; port < c.Port+Ports; port++ {
		first.ExtraPortMappings = append(first.ExtraPortMappings,
			v1alpha4.PortMapping{ContainerPort: int32(port), HostPort: int32(port), ListenAddress: "127.0.0.1"})
	}
	spec := &v1alpha4.Cluster{
		Nodes: []v1alpha4.Node{first}, KubeadmConfigPatches: []string{kubeletPatch},
		ContainerdConfigPatches: []string{registryPatch},
	}
	for range c.Workers {
		spec.Nodes = append(spec.Nodes, v1alpha4.Node{Role: v1alpha4.WorkerRole})
	}
	for i := range spec.Nodes {
		spec.Nodes[i].ExtraMounts = []v1alpha4.Mount{{HostPath: c.Shared(), ContainerPath: SharedMount}}
	}
	v1alpha4.SetDefaultsCluster(spec)
	return spec
}

// checkPorts returns an error if the existing cluster lacks ports that c asks for. Ports cannot be
// added to an existing cluster.
func (c Config) checkPorts(ctx context.Context) error {
	last := c.Port + Ports - 1
	if _, err := docker(ctx, "port", c.Name+"-control-plane", fmt.Sprintf("%d/tcp", last)); err != nil {
		return fmt.Errorf(
			"cluster %s has no port %d on loopback: remove it (make kind-down) or choose another name (KIND_CLUSTER)",
			c.Name,
			last,
		)
	}
	return nil
}

// checkNodes returns an error if the existing cluster has fewer workers than c asks for, or a node
// that lacks the shared folder. Neither can be added.
func (c Config) checkNodes(ctx context.Context, p *kind.Provider) error {
	all, err := p.ListInternalNodes(c.Name)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	if workers := len(all) - 1; workers < c.Workers {
		return fmt.Errorf("cluster %s has %d workers, want %d: remove it (make kind-down) or choose another name "+
			"(KIND_CLUSTER)", c.Name, workers, c.Workers)
	}
	for _, node := range all {
		if _, err := inNode(ctx, node, "test", "-d", SharedMount); err != nil {
			return fmt.Errorf("node %s has no folder %s: remove the cluster (make kind-down): %w", node.String(),
				SharedMount, err)
		}
	}
	return nil
}

func exists(p *kind.Provider, name string) (bool, error) {
	names, err := p.List()
	if err != nil {
		return false, fmt.Errorf("list clusters: %w", err)
	}
	return slices.Contains(names, name), nil
}

// answers reports whether the API server of the cluster is ready.
func answers(ctx context.Context, p *kind.Provider, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	node, err := controlPlane(p, name)
	if err != nil {
		return false
	}
	out, err := inNode(ctx, node, "kubectl", "--kubeconfig", adminConfig, "get", "--raw", "/readyz")
	return err == nil && out == "ok"
}

// adminConfig is the path of the kubeconfig inside a control-plane node.
const adminConfig = "/etc/kubernetes/admin.conf"

func controlPlane(p *kind.Provider, name string) (nodes.Node, error) {
	all, err := p.ListNodes(name)
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	node, err := nodeutils.BootstrapControlPlaneNode(all)
	if err != nil {
		return nil, fmt.Errorf("find control plane: %w", err)
	}
	return node, nil
}

// inNode runs a command in a node and returns its output.
func inNode(ctx context.Context, node nodes.Node, command string, args ...string) (string, error) {
	var out strings.Builder
	if err := node.CommandContext(ctx, command, args...).SetStdout(&out).Run(); err != nil {
		return "", fmt.Errorf("run %s in %s: %w", command, node.String(), err)
	}
	return strings.TrimSpace(out.String()), nil
}

// docker runs the docker command and returns its output.
func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", fmt.Errorf("docker %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Down removes the cluster, its kubeconfig and the folder that its nodes shared. It succeeds if the
// cluster does not exist.
func Down(c Config) error {
	p := provider()
	if err := p.Delete(c.Name, c.Kubeconfig()); err != nil {
		return fmt.Errorf("remove cluster: %w", err)
	}
	if err := os.Remove(c.Kubeconfig()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove kubeconfig: %w", err)
	}
	if err := os.RemoveAll(c.Shared()); err != nil { // files of pods belong to other users
		return fmt.Errorf("remove the folder that the nodes shared: %w", err)
	}
	left, err := p.List()
	if err != nil {
		return fmt.Errorf("list clusters: %w", err)
	}
	if len(left) == 0 {
		return c.restoreSysctls()
	}
	return nil
}
