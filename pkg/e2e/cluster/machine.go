package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	kind "sigs.k8s.io/kind/pkg/cluster"
)

// The kubelet sets these sysctls for the whole machine.
var sysctls = []string{
	"vm.overcommit_memory",
	"vm.panic_on_oom",
	"kernel.panic",
	"kernel.panic_on_oops",
	"kernel.keys.root_maxkeys",
	"kernel.keys.root_maxbytes",
}

func (c Config) sysctlFile() string { return filepath.Join(c.Folder, "sysctl") }

// keepSysctls saves the values that the kubelet is going to change. It skips values that are
// already saved or that this process may not change.
func (c Config) keepSysctls() error {
	if _, err := os.Stat(c.sysctlFile()); err == nil {
		return nil
	}
	f, err := os.OpenFile("/proc/sys/vm/overcommit_memory", os.O_WRONLY, 0)
	if err != nil {
		return nil // not root, so the kubelet may not change it either
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("read sysctls: %w", err)
	}
	values, err := exec.Command("sysctl", append([]string{"-e"}, sysctls...)...).Output()
	if err != nil {
		return fmt.Errorf("read sysctls: %w", err)
	}
	return os.WriteFile(c.sysctlFile(), values, 0o600)
}

// restoreSysctls restores the values that keepSysctls saved.
func (c Config) restoreSysctls() error {
	if info, err := os.Stat(c.sysctlFile()); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if out, err := exec.Command("sysctl", "-q", "-e", "-p", c.sysctlFile()).CombinedOutput(); err != nil {
		return fmt.Errorf("restore sysctls: %w: %s", err, out)
	}
	return os.Remove(c.sysctlFile())
}

// routes adds routes so that the pods of different nodes can reach each other. The local node image
// has no daemon that does this.
func routes(ctx context.Context, p *kind.Provider, name string) error {
	first, err := controlPlane(p, name)
	if err != nil {
		return err
	}
	const columns = `{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}`
	table, err := inNode(ctx, first, "kubectl", "--kubeconfig", adminConfig, "get", "nodes", "-o", "jsonpath="+columns)
	if err != nil {
		return err
	}
	all, err := p.ListInternalNodes(name)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range all {
		for line := range strings.Lines(table) {
			field := strings.Fields(line)
			if len(field) != 3 || field[0] == node.String() {
				continue
			}
			if _, err := inNode(ctx, node, "ip", "route", "replace", field[1], "via", field[2]); err != nil {
				return err
			}
		}
	}
	return nil
}
