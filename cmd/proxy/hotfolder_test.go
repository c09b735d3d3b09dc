package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKillHotFolder kills instances that share one folder, see hotKillRuns.
func TestKillHotFolder(t *testing.T) {
	t.Parallel()
	hotKillRuns(t, 400*time.Millisecond, func(t *testing.T, remote *remoteSide) hotPlace { return newHotPair(t, remote) })
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

func (p *hotPair) instances() [2]*testProxy { return p.proxy }

func (p *hotPair) backedUp(context.Context) int { return len(p.list("backup")) }

// list returns the files in the sub-folders of a folder.
func (p *hotPair) list(folder string) []string {
	list, err := filepath.Glob(filepath.Join(p.work, folder, "[0-9a-f]*", "*"))
	if err != nil {
		p.Error(err)
	}
	return list
}

// consume lists the output folder all the time, and removes each file that appears and its
// sub-folder.
func (p *hotPair) consume(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		for _, path := range p.list("out") {
			content, err := os.ReadFile(path)
			if err != nil {
				p.Error(err)
			}
			c.took(path, string(content))
			if err := os.Remove(path); err != nil {
				p.Error(err)
			}
			_ = os.Remove(filepath.Dir(path)) // fails unless it is empty
		}
		time.Sleep(time.Millisecond)
	}
}
