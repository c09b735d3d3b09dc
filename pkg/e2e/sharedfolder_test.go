//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/e2e/cluster"
)

const (
	sharedClaim  = "invoices"
	sharedVolume = "e2e-invoices"               // is not in a namespace
	sharedRoot   = cluster.SharedMount + "/hot" // on each node
)

// sharedFolder is a folder of the host that all nodes see. The pods mount it through a
// ReadWriteMany claim. Producers and consumers work in a node, with the rights of root.
type sharedFolder struct {
	w    *world
	node string
}

// newSharedFolder makes the folders, the volume with its claim, and the client service.
func newSharedFolder(w *world) *sharedFolder {
	w.t.Helper()
	s := &sharedFolder{w: w, node: kind.Name + "-control-plane"}
	w.must("kubectl", "delete", "persistentvolume", sharedVolume, "--ignore-not-found")
	s.remove()
	s.inNode("mkdir", "-p", sharedRoot+"/in", sharedRoot+"/out", sharedRoot+"/backup")
	s.inNode("chown", "-R", "65532:65532", sharedRoot)
	size := object{"storage": "1Gi"}
	modes := []string{"ReadWriteMany"}
	w.apply(namespace,
		object{
			"apiVersion": "v1", "kind": "PersistentVolume", "metadata": object{"name": sharedVolume},
			"spec": object{
				"capacity": size, "accessModes": modes, "storageClassName": "", "persistentVolumeReclaimPolicy": "Retain",
				"claimRef": object{"namespace": namespace, "name": sharedClaim},
				"hostPath": object{"path": sharedRoot, "type": "Directory"},
			},
		},
		object{
			"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": object{"name": sharedClaim},
			"spec": object{
				"accessModes": modes, "storageClassName": "", "volumeName": sharedVolume,
				"resources": object{"requests": size},
			},
		},
		hotClient(w, s.client(), "/"))
	return s
}

// hotClient returns the Secret of a client service whose folders begin with root.
func hotClient(w *world, id, root string) object {
	w.t.Helper()
	config, err := json.Marshal(object{
		"inputFolder": root + "in", "outputFolder": root + "out", "backupFolder": root + "backup",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return object{
		"apiVersion": "v1", "kind": "Secret", "type": "signstash.io/client-service", "metadata": object{"name": id},
		"stringData": object{"clientId": id, "secret": hotSecret, "config": string(config)},
	}
}

func (s *sharedFolder) client() string { return "hot-folder" }

// inNode runs a command in the node and returns its output.
func (s *sharedFolder) inNode(command ...string) string {
	s.w.t.Helper()
	return s.w.must("docker", append([]string{"exec", s.node}, command...)...)
}

func (s *sharedFolder) put(files map[string][]byte) {
	s.w.t.Helper()
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for _, name := range sortedNames(files) {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Now()}
		err := out.WriteHeader(header)
		if err == nil {
			_, err = out.Write(files[name])
		}
		if err != nil {
			s.w.t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		s.w.t.Fatal(err)
	}
	_, err := run(s.w.t.Context(), archive.String(), "docker", "exec", "-i", s.node, "tar", "-x", "-C", sharedRoot+"/in")
	if err != nil {
		s.w.t.Fatal(err)
	}
}

func (s *sharedFolder) count() (in, out, backup int) {
	s.w.t.Helper()
	list := s.inNode("find", sharedRoot+"/in", sharedRoot+"/out", sharedRoot+"/backup",
		"-name", ".signstash", "-prune", "-o", "-type", "f", "-print")
	for line := range strings.Lines(list) {
		switch folder, _, _ := strings.Cut(strings.TrimPrefix(line, sharedRoot+"/"), "/"); folder {
		case "in":
			in++
		case "out":
			out++
		case "backup":
			backup++
		}
	}
	return in, out, backup
}

func (s *sharedFolder) download(folder string) {
	s.w.t.Helper()
	ctx, cancel := context.WithTimeout(s.w.t.Context(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "exec", s.node,
		"tar", "-c", "-C", sharedRoot, "--exclude=.signstash", "out", "backup")
	archive, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.w.t.Fatal(err)
	}
	err = extract(archive, folder)
	if err = errors.Join(err, cmd.Wait()); err != nil {
		s.w.t.Fatalf("copy of the shared folder: %v", err)
	}
}

// extract writes the files of an archive below folder.
func extract(archive io.Reader, folder string) error {
	for in := tar.NewReader(archive); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, archive) // the padding
			return err
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if err := writeBelow(folder, header.Name, content); err != nil {
			return err
		}
	}
}

// writeBelow writes a file below folder, and makes its folder.
func writeBelow(folder, name string, content []byte) error {
	file := filepath.Join(folder, filepath.FromSlash(path.Clean("/"+name)))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// remove removes the folders.
func (s *sharedFolder) remove() {
	s.w.t.Helper()
	s.inNode("rm", "-rf", sharedRoot)
}
