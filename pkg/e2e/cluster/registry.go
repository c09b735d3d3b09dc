package cluster

import (
	"context"
	"fmt"
	"net"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// registryFolder is where containerd looks for the settings of registries. The images of kind name
// it in their configuration since version 3 of its format. registryPatch adds it to the older one.
const (
	registryFolder = "/etc/containerd/certs.d"
	registryPatch  = "version = 2\n" +
		"[plugins.\"io.containerd.grpc.v1.cri\".registry]\n" +
		"config_path = \"" + registryFolder + "\"\n"
)

// AllowPlainRegistry lets all nodes pull images from a registry without TLS. address is its
// host:port as it is in the names of images.
func AllowPlainRegistry(ctx context.Context, c Config, address string) error {
	all, err := provider().ListInternalNodes(c.Name)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	url := "http://" + address
	hosts := fmt.Sprintf("server = %q\n[host.%q]\ncapabilities = [\"pull\", \"resolve\"]\n", url, url)
	for _, node := range all {
		folder := registryFolder + "/" + address
		if _, err := inNode(ctx, node, "mkdir", "-p", folder); err != nil {
			return err
		}
		if err := nodeutils.WriteFile(node, folder+"/hosts.toml", hosts); err != nil {
			return fmt.Errorf("set registry in %s: %w", node.String(), err)
		}
	}
	return nil
}

// HostAddress returns the IPv4 address of the gateway of the nodes. On Linux it is an address of
// this machine, which only containers reach.
func HostAddress(ctx context.Context, c Config) (string, error) {
	node, err := controlPlane(provider(), c.Name)
	if err != nil {
		return "", err
	}
	route, err := inNode(ctx, node, "ip", "-4", "route", "show", "default") // default via 172.18.0.1 dev eth0
	if err != nil {
		return "", err
	}
	fields := strings.Fields(route)
	if len(fields) < 3 || net.ParseIP(fields[2]) == nil {
		return "", fmt.Errorf("the default route of %s is %q", node.String(), route)
	}
	return fields[2], nil
}
