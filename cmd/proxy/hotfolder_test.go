package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// hotFiles is how many files one run of the kill test puts into the input folder.
const hotFiles = 24

// TestKillHotFolder kills two instances that share one folder at random moments, while files arrive
// and a consumer takes each output at once. No file may be lost, delivered twice or seen in part,
// and each signature that was made is delivered or counted as unknown.
func TestKillHotFolder(t *testing.T) {
	t.Parallel()
	multisign := []service.Credential{{Multisign: 8}}
	remote := newRemoteSide(t, service.Options{Latency: 5 * time.Millisecond, Credentials: multisign})
	for run := range hotKills.count(t) {
		if !t.Run(fmt.Sprint(run), func(t *testing.T) { killHotFolder(t, remote) }) {
			return
		}
	}
}

// hotPair is two instances on one folder.
type hotPair struct {
	*testing.T
	work  string
	proxy [2]*testProxy
}

func newHotPair(t *testing.T, remote *remoteSide) *hotPair {
	p := &hotPair{T: t, work: filepath.Join(t.TempDir(), "work")}
	for _, name := range []string{"in", "out", "backup", "new"} {
		if err := os.MkdirAll(filepath.Join(p.work, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config, err := json.Marshal(map[string]any{"PRT.1-PRT.2-alice": map[string]string{
		"secret": clients["PRT.1-PRT.2-alice"], "inputFolder": "/in", "outputFolder": "/out", "backupFolder": "/backup"}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.work, "client-services-config.json"), config)
	for i := range p.proxy {
		flags := append(remote.flags(), "--signing.retry.backoff=50ms", "--signing.tries=100", "--hot.folder.enabled",
			"--hot.folder.trigger=immediate", "--hot.folder.stability=50ms", fmt.Sprintf("--instance.ordinal=%d", i))
		p.proxy[i] = newTestProxy(t, flags...)
		p.proxy[i].o.Work = p.work
		p.proxy[i].start(t)
	}
	return p
}

// put puts a file into the input folder: by a rename, or by writing it there.
func (p *hotPair) put(name, content string) {
	if rand.N(2) == 0 {
		write(p.T, filepath.Join(p.work, "in", name), []byte(content))
		return
	}
	write(p.T, filepath.Join(p.work, "new", name), []byte(content))
	if err := os.Rename(filepath.Join(p.work, "new", name), filepath.Join(p.work, "in", name)); err != nil {
		p.Error(err)
	}
}

// consumer takes outputs until it is stopped.
type consumer struct {
	mu   sync.Mutex
	seen map[string]int
	torn []string
}

// run lists the output folder all the time, checks each file that appears, and removes it and the
// sub-folder.
func (c *consumer) run(ctx context.Context, t *testing.T, folder string) {
	for ctx.Err() == nil {
		list, err := filepath.Glob(filepath.Join(folder, "[0-9a-f]*", "*"))
		if err != nil {
			t.Error(err)
		}
		for _, path := range list {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			}
			c.mu.Lock()
			c.seen[filepath.Base(path)]++
			if !strings.HasPrefix(string(content), "<Order>") || !strings.HasSuffix(string(content), "</Order>") {
				c.torn = append(c.torn, path)
			}
			c.mu.Unlock()
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
			_ = os.Remove(filepath.Dir(path)) // fails unless it is empty
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *consumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

func killHotFolder(t *testing.T, remote *remoteSide) {
	before := remote.Counts().Signatures
	p := newHotPair(t, remote)
	ctx, stop := context.WithCancel(t.Context())
	c := &consumer{seen: make(map[string]int)}
	var consuming sync.WaitGroup
	consuming.Go(func() { c.run(ctx, t, filepath.Join(p.work, "out")) })
	defer func() { stop(); consuming.Wait() }()
	for i := range hotFiles {
		p.put(fmt.Sprintf("%02d.xml", i), fmt.Sprintf("<Order><Line>%d</Line></Order>", i))
		if i%(hotFiles/3) == 0 {
			victim := p.proxy[rand.N(len(p.proxy))]
			time.Sleep(rand.N(400 * time.Millisecond)) // the random moment is what the test varies
			victim.Kill()
			victim.start(t)
		}
	}
	until(t, "all files are delivered", func() bool { return c.count() >= hotFiles })
	until(t, "all originals are in the backup folder", func() bool {
		list, err := filepath.Glob(filepath.Join(p.work, "backup", "[0-9a-f]*", "*"))
		return err == nil && len(list) == hotFiles
	})
	var sum [2]int64
	for _, proxy := range p.proxy {
		until(t, "every digest sent has an end", func() bool {
			n := proxy.signatures(t)
			return n["sent"] == n["returned"]+n["unknown"]+n["refused"] &&
				proxy.metric(t, "signstash_queued_documents") == 0
		})
		n := proxy.signatures(t)
		sum[0], sum[1] = sum[0]+n["returned"], sum[1]+n["unknown"]
	}
	stop()
	consuming.Wait()
	for name, n := range c.seen {
		if n != 1 {
			t.Errorf("%s was delivered %d times", name, n)
		}
	}
	if len(c.seen) != hotFiles || len(c.torn) > 0 {
		t.Errorf("%d files were delivered, want %d; not whole: %v", len(c.seen), hotFiles, c.torn)
	}
	made := remote.Counts().Signatures - before
	t.Logf("%d signatures made, %d returned, %d unknown", made, sum[0], sum[1])
	if made > hotFiles+sum[1] {
		t.Errorf("%d signatures made for %d outputs, and %d are unknown", made, hotFiles, sum[1])
	}
	if t.Failed() {
		for _, proxy := range p.proxy {
			t.Log(proxy.log(t))
		}
	}
}
