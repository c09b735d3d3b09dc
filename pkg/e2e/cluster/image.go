package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

// pullTime is how long the pull of the node image may take. The image has about 400 MB.
const pullTime = 5 * time.Minute

// localImages is the repository name of the images that build-node-image builds.
const localImages = "kind-local/node"

// image returns the node image to use. local is true if it was built on this machine.
func (c Config) image(ctx context.Context) (name string, local bool, err error) {
	switch c.NodeImage {
	case "pull":
		return defaults.Image, false, nil
	case "auto":
		made, err := docker(ctx, "image", "ls", "-q", localImages)
		if err != nil {
			return "", false, err
		}
		if made == "" && pulled(ctx, defaults.Image) {
			return defaults.Image, false, nil
		}
	}
	build := exec.CommandContext(ctx, filepath.Join(c.Scripts, "build-node-image"))
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return "", false, fmt.Errorf("build node image: %w", err)
	}
	return strings.TrimSpace(string(out)), true, nil
}

// pulled reports whether an image is on this machine or can be pulled.
func pulled(ctx context.Context, image string) bool {
	if _, err := docker(ctx, "image", "inspect", image); err == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, pullTime)
	defer cancel()
	_, err := docker(ctx, "pull", "-q", image)
	return err == nil
}

// Load copies images from the Docker engine to every node of the cluster. For each node it saves
// the images once and streams them.
func Load(ctx context.Context, c Config, images ...string) error {
	all, err := provider().ListInternalNodes(c.Name)
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range all {
		archive, in := io.Pipe()
		save := exec.CommandContext(ctx, "docker", append([]string{"save"}, images...)...)
		save.Stdout, save.Stderr = in, os.Stderr
		saved := make(chan error, 1)
		go func() {
			err := save.Run()
			_ = in.CloseWithError(err)
			saved <- err
		}()
		err := nodeutils.LoadImageArchive(node, archive)
		_ = archive.CloseWithError(err) // stops the save when nobody reads any more
		if err := errors.Join(err, <-saved); err != nil {
			return fmt.Errorf("load images into %s: %w", node.String(), err)
		}
	}
	return nil
}
