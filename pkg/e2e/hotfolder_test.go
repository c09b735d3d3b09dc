//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const (
	// hotFiles is how many files are put into one input folder.
	hotFiles = 1000
	// hotPortion is how many files a producer puts at a time. While the signing service holds its
	// answers, an instance works on four runs at most. So small portions reach all instances.
	hotPortion = 20
	// hotSample is the distance between the outputs that independent programs verify.
	hotSample = 100
	// hotInterval is the time between two counts of all files.
	hotInterval = time.Second
)

// hotPlace is where the instances share the folders of one client service, as producers and
// consumers see it.
type hotPlace interface {
	// client is the ID of the client service.
	client() string
	// put puts files into the input folder.
	put(files map[string][]byte)
	// count counts the files in the input folder, in the output folder, and in the backup folder.
	count() (in, out, backup int)
	// download copies the output and the backup folder into out and backup below folder.
	download(folder string)
}

// hotFolders is a cluster in which three instances share hot folders.
type hotFolders struct {
	*world
	signctl string // the program
	shared  *sharedFolder
	bucket  *bucketFolder
}

// TestHotFolder: three instances share the hot folder of a client service, and 1,000 files become
// 1,000 outputs, each one once, while one instance is killed and another one is removed for good.
func TestHotFolder(t *testing.T) {
	h := &hotFolders{world: newWorld(t), signctl: filepath.Join(t.TempDir(), "signctl")}
	h.must("go", "build", "-trimpath", "-o", h.signctl, "../../cmd/signctl")
	for _, step := range []struct {
		name string
		run  func(*hotFolders)
	}{
		{"install", (*hotFolders).start},
		{"sharedFolder", func(h *hotFolders) { h.once(h.shared) }},
		{"bucket", func(h *hotFolders) { h.once(h.bucket) }},
		{"remove", (*hotFolders).remove},
	} {
		if !h.step(t, step.name, func() { step.run(h) }) {
			break
		}
	}
	t.Logf("steps:%s", h.times.String())
}

// start installs the chart with both places, and a client service for each one.
func (h *hotFolders) start() {
	h.prepare()
	h.shared, h.bucket = newSharedFolder(h.world), newBucketFolder(h.world)
	for key, value := range map[string]string{
		"hotFolder.enabled":                  "true",
		"hotFolder.trigger":                  "immediate",
		"hotFolder.existingClaim":            sharedClaim,
		"hotFolder.bucket.kind":              "s3",
		"hotFolder.bucket.endpoint":          bucketEndpoint,
		"hotFolder.bucket.pathStyle":         "true",
		"hotFolder.bucket.credentialsSecret": bucketSecret,
		// An instance that is removed delivers its results meanwhile. It ends when all are delivered.
		"drain.lingerSeconds": "120",
	} {
		h.values[key] = value
	}
	h.helm("--wait")
	h.wantReady(3)
	for _, place := range []hotPlace{h.shared, h.bucket} {
		h.accepted(credential{place.client(), hotSecret}, 3)
	}
}

// hotSecret is the secret of the client services with hot folders. Nobody calls the API with it.
const hotSecret = "hot-secret"

// once puts half of the files into a place while the signing service holds its answers, so that all
// instances work on some. Then it kills one instance, removes another one, and puts the other half.
func (h *hotFolders) once(place hotPlace) {
	const killed, removed = 1, 2
	h.scaleTo(3)
	h.wantReady(3)
	before, started := h.counts().Signatures, time.Now()
	files := hotDocuments(h.t)
	names := sortedNames(files)
	put := func(n int) {
		portion := make(map[string][]byte)
		for _, name := range names[:n] {
			portion[name] = files[name]
		}
		place.put(portion)
		names = names[n:]
	}

	h.simulate("hold")
	h.eventually(func() error {
		if len(names) > hotFiles/2 {
			put(hotPortion)
		}
		return h.allWork(place)
	})
	p := h.pod(killed)
	h.must("docker", "exec", p.Spec.NodeName, "kill", "-KILL", h.pid(p.Spec.NodeName, p.Metadata.UID))
	h.note(started, "%d files put, one instance killed", hotFiles-len(names))
	h.eventuallyEvery(hotInterval, func() error { return h.settled(removed, place) })
	h.scaleTo(2)
	h.wantPhase(removed, "finishing")
	h.note(started, "another instance takes no more")
	h.simulate("release")
	put(len(names))
	h.wantReady(2)
	h.note(started, "all files put, the removed instance has ended")
	h.eventuallyEvery(hotInterval, func() error {
		if in, out, backup := place.count(); in != 0 || out < hotFiles || backup < hotFiles {
			return fmt.Errorf("%d files in the input folder, %d in the output folder, %d in the backup folder", in, out, backup)
		}
		return nil
	})
	h.note(started, "all files are delivered; %d signatures made, %d runs taken over", h.counts().Signatures-before,
		h.takenOver(place))
	h.check(place, files)
	h.note(started, "all outputs are checked")
}

// note logs what has happened since started.
func (h *hotFolders) note(started time.Time, format string, args ...any) {
	h.t.Helper()
	h.t.Logf("%6.1f s  %s", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// scaleTo changes the number of instances.
func (h *hotFolders) scaleTo(instances int) {
	h.t.Helper()
	h.kubectl("scale", "statefulset/"+release, "--replicas="+strconv.Itoa(instances))
}

// takenOver counts the runs that the two instances that stay have taken over from others.
func (h *hotFolders) takenOver(place hotPlace) (n int64) {
	h.t.Helper()
	for ordinal := range 2 {
		runs, err := h.metric(ordinal, ofPlace("signstash_hotfolder_taken_over_runs_total", place))
		if err != nil {
			h.t.Error(err)
		}
		n += runs
	}
	return n
}

// ofPlace returns the name of a metric with the label of a place.
func ofPlace(name string, place hotPlace) string {
	return fmt.Sprintf("%s{client_service=%q}", name, place.client())
}

// allWork returns an error unless all three instances work on runs of a place.
func (h *hotFolders) allWork(place hotPlace) error {
	for ordinal := range 3 {
		runs, err := h.metric(ordinal, ofPlace("signstash_hotfolder_runs_in_flight", place))
		if err != nil {
			return err
		}
		if runs == 0 {
			return fmt.Errorf("%s works on no run of %s", podName(ordinal), place.client())
		}
	}
	return nil
}

// settled returns an error while an instance, whose operations do not end at the moment, starts
// runs or has runs that are not submitted yet. If such an instance is removed, the others take over
// its runs, but only minutes later.
func (h *hotFolders) settled(ordinal int, place hotPlace) error {
	const most = 4 // runs of a client service at the same time
	runs, err := h.metric(ordinal, ofPlace("signstash_hotfolder_runs_in_flight", place))
	if err != nil {
		return err
	}
	d, err := client.ReadDrain(h.t.Context(), h.door, managementURL(ordinal))
	if err != nil {
		return err
	}
	if in, _, _ := place.count(); in > 0 && runs < most || d.PendingOperations != runs {
		return fmt.Errorf("%d files in the input folder, and %s has submitted %d of %d runs", in, podName(ordinal),
			d.PendingOperations, runs)
	}
	return nil
}

// hotDocuments returns documents by name. Each one contains its own name. Every tenth one is a PDF.
func hotDocuments(t *testing.T) map[string][]byte {
	t.Helper()
	pdf, err := os.ReadFile(small)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte, hotFiles)
	for i := range hotFiles {
		name := fmt.Sprintf("order-%04d.xml", i)
		if i%10 != 0 {
			files[name] = fmt.Appendf(nil, "<Order><File>%s</File></Order>", name)
			continue
		}
		name = fmt.Sprintf("order-%04d.pdf", i)
		files[name] = fmt.Appendf(slices.Clone(pdf), "\n%% %s\n", name)
	}
	return files
}

// check checks what was delivered: each file once, with its own content and a valid signature, and
// each original unchanged in the backup folder.
func (h *hotFolders) check(place hotPlace, files map[string][]byte) {
	h.t.Helper()
	folder := h.t.TempDir()
	place.download(folder)
	signed, originals := h.unique(filepath.Join(folder, "out"), files), h.unique(filepath.Join(folder, "backup"), files)
	for name, content := range files {
		if got, err := os.ReadFile(originals[name]); err != nil || !bytes.Equal(got, content) {
			h.t.Errorf("backup of %s: %d bytes, %v, want the %d bytes of the original", name, len(got), err, len(content))
		}
		if got, err := os.ReadFile(signed[name]); err != nil || !bytes.Contains(got, []byte(name)) {
			h.t.Errorf("output %s does not contain its name: %v", name, err)
		}
	}
	if h.t.Failed() {
		return
	}
	root := filepath.Join(folder, "root.pem")
	if err := os.WriteFile(root, h.root(), 0o600); err != nil {
		h.t.Fatal(err)
	}
	args := []string{"verify", "--ca", root}
	for _, name := range sortedNames(signed) {
		args = append(args, signed[name])
	}
	if out, err := exec.CommandContext(h.t.Context(), h.signctl, args...).CombinedOutput(); err != nil {
		h.t.Fatalf("signctl verify: %v\n%s", err, out[max(0, len(out)-2000):])
	}
	h.verifySample(root, originals, signed)
}

// unique returns the paths of the files in the sub-folders of folder. Each name must be there once.
func (h *hotFolders) unique(folder string, want map[string][]byte) map[string]string {
	h.t.Helper()
	all, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil {
		h.t.Fatal(err)
	}
	paths := make(map[string]string)
	for _, path := range all {
		name := filepath.Base(path)
		if first, twice := paths[name]; twice {
			h.t.Errorf("%s is there twice: %s and %s", name, first, path)
		}
		if want[name] == nil {
			h.t.Errorf("%s is no name of a file that was put", path)
		}
		paths[name] = path
	}
	if len(all) != len(want) {
		h.t.Errorf("%d files in %s, want %d", len(all), filepath.Base(folder), len(want))
	}
	return paths
}

// verifySample lets independent programs verify some outputs.
func (h *hotFolders) verifySample(root string, originals, signed map[string]string) {
	h.t.Helper()
	if missing := verify.Missing(); len(missing) > 0 && os.Getenv("CI") == "true" {
		h.t.Fatalf("verifiers are missing: %s", strings.Join(missing, ", "))
	}
	v, err := verify.New(h.t.Context(), root)
	if err != nil {
		h.t.Fatal(err)
	}
	defer v.Close()
	v.Offline = true // the responder's name exists only inside of the cluster
	for i, name := range sortedNames(signed) {
		if i%hotSample > 1 { // a PDF and an XML file
			continue
		}
		report := v.File(h.t.Context(), originals[name], signed[name])
		if err := report.Err(); err != nil {
			h.t.Errorf("output %s: %v", name, err)
		}
	}
}

// sortedNames returns the keys of a map in order.
func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// remove removes the release, its volumes and the shared folder.
func (h *hotFolders) remove() {
	h.must("helm", "uninstall", release, "-n", namespace, "--wait", "--timeout", "3m")
	for _, name := range []string{namespace, doorNamespace} {
		h.must("kubectl", "delete", "namespace", name, "--wait=false")
	}
	h.shared.remove()
}
