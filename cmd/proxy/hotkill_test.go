package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// hotFiles is how many files one run of a kill test puts into the input folder.
const hotFiles = 24

// hotPlace is where two instances share hot folders, as producers and consumers see it.
type hotPlace interface {
	// instances are the two proxies.
	instances() [2]*testProxy
	// put puts a file into the input folder.
	put(name, content string)
	// consume takes outputs until ctx is done.
	consume(ctx context.Context, c *consumer)
	// backedUp counts the files in the backup folder.
	backedUp(ctx context.Context) int
}

// consumer counts the outputs that were taken.
type consumer struct {
	mu   sync.Mutex
	seen map[string]int
	torn []string
}

// took records an output and whether it was whole.
func (c *consumer) took(path, content string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[filepath.Base(path)]++
	if !strings.HasPrefix(content, "<Order>") || !strings.HasSuffix(content, "</Order>") {
		c.torn = append(c.torn, path)
	}
}

func (c *consumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// hotKillRuns kills two instances that share a place at random moments, in each run at a new place,
// while files arrive and a consumer takes each output at once. An instance is killed at most pause
// after a file was put. No file may be lost, delivered twice or seen in part, and each signature
// that was made is delivered or counted as unknown.
func hotKillRuns(t *testing.T, pause time.Duration, open func(*testing.T, *remoteSide) hotPlace) {
	multisign := []service.Credential{{Multisign: 8}}
	remote := newRemoteSide(t, service.Options{Latency: 5 * time.Millisecond, Credentials: multisign})
	for run := range hotKills.count(t) {
		if !t.Run(fmt.Sprint(run), func(t *testing.T) { hotKillRun(t, remote, open(t, remote), pause) }) {
			return
		}
	}
}

func hotKillRun(t *testing.T, remote *remoteSide, place hotPlace, pause time.Duration) {
	before, pair := remote.Counts().Signatures, place.instances()
	ctx, stop := context.WithCancel(t.Context())
	c := &consumer{seen: make(map[string]int)}
	var consuming sync.WaitGroup
	consuming.Go(func() { place.consume(ctx, c) })
	defer func() { stop(); consuming.Wait() }()
	for i := range hotFiles {
		place.put(fmt.Sprintf("%02d.xml", i), fmt.Sprintf("<Order><Line>%d</Line></Order>", i))
		if i%(hotFiles/3) == 0 {
			victim := pair[rand.N(len(pair))]
			time.Sleep(rand.N(pause)) // the random moment is what the test varies
			victim.Kill()
			victim.start(t)
		}
	}
	until(t, "all files are delivered", func() bool { return c.count() >= hotFiles })
	until(t, "all originals are in the backup folder", func() bool { return place.backedUp(t.Context()) == hotFiles })
	var returned, unknown int64
	for _, proxy := range pair {
		until(t, "every digest sent has an end", func() bool {
			n := proxy.signatures(t)
			return n["sent"] == n["returned"]+n["unknown"]+n["refused"] &&
				proxy.metric(t, "signstash_queued_documents") == 0
		})
		n := proxy.signatures(t)
		returned, unknown = returned+n["returned"], unknown+n["unknown"]
	}
	stop()
	consuming.Wait()
	c.check(t)
	made := remote.Counts().Signatures - before
	t.Logf("%d signatures made, %d returned, %d unknown", made, returned, unknown)
	if made > hotFiles+unknown {
		t.Errorf("%d signatures made for %d outputs, and %d are unknown", made, hotFiles, unknown)
	}
	if t.Failed() {
		for _, proxy := range pair {
			t.Log(proxy.log(t))
		}
	}
}

// check requires that each file was taken once and whole.
func (c *consumer) check(t *testing.T) {
	t.Helper()
	for name, n := range c.seen {
		if n != 1 {
			t.Errorf("%s was delivered %d times", name, n)
		}
	}
	if len(c.seen) != hotFiles || len(c.torn) > 0 {
		t.Errorf("%d files were delivered, want %d; not whole: %v", len(c.seen), hotFiles, c.torn)
	}
}
