package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

// The hot folder cases fill an input folder, start a proxy, and measure until the files are signed.

const (
	hotFiles     = 2500      // files of 200 KB
	hotSmallSize = 1000      // bytes of a small file, which is a text
	hotFew       = 10_000    // small files with which a larger folder is compared
	hotMany      = 1_000_000 // small files of the case hotfolder-million
)

// The goals of the hot folder.
const (
	hotSpeed     = 0.6              // of the floor
	hotPerSecond = 300              // files of 200 KB, ten times as many as the original signs
	hotState     = 1.05             // peak state folder / payload, because documents are copied
	hotRSS       = 80               // MiB
	hotFirst     = 10 * time.Second // from the first claim to the first output
	hotMore      = 1.2              // cost of a file in a large folder, compared with hotFew
)

// hotFolder signs files of 200 KB and compares the speed with the floor.
func (b *bench) hotFolder(ctx context.Context) error {
	count := hotFiles
	if b.documents > 0 {
		count = b.documents
	}
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	h, err := newHotWork(dir)
	if err != nil {
		return err
	}
	docs, err := makeDocuments(h.input(), count, 200_000, 0)
	if err != nil {
		return err
	}
	floors, err := measureFloors(dir, docs, 2)
	if err != nil {
		return err
	}
	took, err := h.sign(ctx, b.binary, count, true)
	if err != nil {
		return err
	}
	again := make([]document, len(docs)) // the proxy has moved the originals
	found, err := filepath.Glob(filepath.Join(h.work, "backup", "*", "*.pdf"))
	if err != nil || len(found) != len(docs) {
		return fmt.Errorf("the backup folder has %d files, want %d: %w", len(found), len(docs), err)
	}
	for i, path := range found {
		again[i] = document{path, docs[0].size}
	}
	after, err := measureFloors(dir, again, 3)
	if err != nil {
		return err
	}
	floor := median(append(floors, after...), func(c cost) time.Duration { return c.wall })
	speed := float64(count) / took.wall.Seconds()
	fmt.Printf("%d files of 200 KB in a hot folder   %s, floor %s, %.0f files/s, CPU %s a file\n", count, ms(took.wall),
		ms(floor), speed, ms(took.cpu/time.Duration(count)))
	b.goals.atLeast("hot folder, 200 KB: speed / floor", ratio(floor, took.wall), hotSpeed, "")
	b.goals.atLeast("hot folder, 200 KB: files", speed, hotPerSecond, "/s")
	b.goals.rss("hot folder, 200 KB", took.peakRSS, hotRSS)
	b.goals.atMost("hot folder, 200 KB: peak state / payload", float64(took.peakState)/float64(total(docs)), hotState, "")
	return nil
}

// hotSmall compares a folder of files small files with one of hotFew. With b.documents it ends when
// so many files are signed.
func (b *bench) hotSmall(ctx context.Context, files int) error {
	few, err := b.smallFiles(ctx, min(hotFew, files), 0)
	if err != nil || files <= hotFew {
		return err
	}
	many, err := b.smallFiles(ctx, files, b.documents)
	if err != nil {
		return err
	}
	what := fmt.Sprintf(" of a file at %d / at %d", files, hotFew)
	b.goals.atMost("hot folder: CPU"+what, ratio(many.each(many.cpu), few.each(few.cpu)), hotMore, "")
	b.goals.atMost("hot folder: time"+what, ratio(many.each(many.wall), few.each(few.wall)), hotMore, "")
	return nil
}

// smallFiles signs small files of one folder. It ends after stop files; 0 = after all.
func (b *bench) smallFiles(ctx context.Context, files, stop int) (took hotTaken, err error) {
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return took, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	h, err := newHotWork(dir)
	if err != nil {
		return took, err
	}
	for i := range files {
		text := fmt.Sprintf("Order %d\n%s\n", i, strings.Repeat("x", hotSmallSize))[:hotSmallSize]
		if err := os.WriteFile(filepath.Join(h.input(), fmt.Sprintf("%07d.txt", i)), []byte(text), 0o600); err != nil {
			return took, fmt.Errorf("make file: %w", err)
		}
	}
	if stop == 0 || stop > files {
		stop = files
	}
	took, err = h.sign(ctx, b.binary, stop, false, millionRetention)
	if err != nil {
		return took, err
	}
	fmt.Printf("%d of %d files of 1 KB in a hot folder   first output after %s, %s and CPU %s a file\n",
		took.signed, files, ms(took.first), ms(took.each(took.wall)), ms(took.each(took.cpu)))
	what := fmt.Sprintf("hot folder, %d files", files)
	b.goals.rss(what, took.peakRSS, hotRSS)
	b.goals.atMost(what+": first output after the first claim", took.first.Seconds(), hotFirst.Seconds(), " s")
	return took, nil
}

// hotTaken is what a proxy took for the files of a hot folder. Times begin with the first claim,
// and the CPU time begins when the proxy is ready.
type hotTaken struct {
	signed             int
	first, wall, cpu   time.Duration // first is the time of the first output
	peakRSS, peakState int64         // bytes
}

// hotMark is after how many files the cost of a file is printed, because a case with many files
// takes long.
const hotMark = 100_000

// print prints what each file has cost so far.
func (t hotTaken) print(p *instance.Instance, before time.Duration, started time.Time) error {
	now, err := processCPU(p.PID())
	if err != nil {
		return err
	}
	memory, err := p.Memory()
	fmt.Printf("%10d files signed   %s and CPU %s a file, peak RSS %d MiB\n", t.signed,
		ms(t.each(time.Since(started))), ms(t.each(now-before)), memory.Peak>>20)
	return err
}

// each returns the part of one file.
func (t hotTaken) each(d time.Duration) time.Duration { return d / time.Duration(t.signed) }

// hotWork is the work folder and the state folder of a proxy with a hot folder.
type hotWork struct{ work, state string }

func (h hotWork) input() string { return filepath.Join(h.work, "in") }

func newHotWork(dir string) (hotWork, error) {
	h := hotWork{filepath.Join(dir, "work"), filepath.Join(dir, "state")}
	for _, name := range []string{"in", "out", "backup"} {
		if err := os.MkdirAll(filepath.Join(h.work, name), 0o700); err != nil {
			return h, fmt.Errorf("make folder: %w", err)
		}
	}
	text, err := json.Marshal(map[string]map[string]string{clientID: {
		"secret": secret, "inputFolder": "/in", "outputFolder": "/out", "backupFolder": "/backup",
	}})
	if err != nil {
		return h, fmt.Errorf("encode client services: %w", err)
	}
	if err := os.WriteFile(filepath.Join(h.work, "client-services-config.json"), text, 0o600); err != nil {
		return h, fmt.Errorf("write client services: %w", err)
	}
	return h, nil
}

// sign starts a proxy and measures until it has signed count files.
func (h hotWork) sign(ctx context.Context, binary string, count int, watch bool, flags ...string) (
	took hotTaken, err error,
) {
	p, err := instance.Start(ctx, instance.Options{
		Binary: binary, Work: h.work, State: h.state, Env: []string{onCores},
		Args: append([]string{"--hot.folder.enabled", "--hot.folder.trigger=immediate"}, flags...),
	})
	if err != nil {
		return took, err
	}
	defer p.Kill()
	before, err := processCPU(p.PID())
	if err != nil {
		return took, err
	}
	if watch {
		state := watchState(h.state)
		defer func() { took.peakState = state.stop() }()
	}
	claims := filepath.Join(h.input(), ".signstash", "0")
	if err := h.wait(ctx, p, func() (bool, error) { return hasRun(claims) }); err != nil {
		return took, err
	}
	started := time.Now()
	if err := h.wait(ctx, p, func() (bool, error) { return hasRun(filepath.Join(h.work, "out")) }); err != nil {
		return took, err
	}
	took.first = time.Since(started)
	next := hotMark
	err = h.wait(ctx, p, func() (bool, error) {
		took.signed, err = hotSigned(ctx, p)
		if err == nil && took.signed >= next && took.signed < count {
			next += hotMark
			err = took.print(p, before, started)
		}
		return took.signed >= count, err
	})
	if err != nil {
		return took, err
	}
	took.wall = time.Since(started)
	after, err := processCPU(p.PID())
	took.cpu = after - before
	memory, merr := p.Memory()
	took.peakRSS = memory.Peak
	return took, errors.Join(err, merr)
}

// hotPoll is the time between two looks at what the proxy has done. A look costs CPU time of the
// proxy, because it reads all metrics.
const hotPoll = 50 * time.Millisecond

// wait calls done until it is true.
func (h hotWork) wait(ctx context.Context, p *instance.Instance, done func() (bool, error)) error {
	every := time.NewTicker(hotPoll)
	defer every.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-every.C:
		case <-p.Ended():
			return errors.New("the proxy has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hasRun reports whether a folder has the sub-folder of a run.
func hasRun(folder string) (bool, error) {
	list, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, e := range list {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			return true, nil
		}
	}
	return false, err
}

// hotSigned returns how many files of hot folders are signed. It returns an error if one failed.
func hotSigned(ctx context.Context, p *instance.Instance) (n int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Management+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		if !strings.HasPrefix(series, "signstash_hotfolder_files_total{") {
			continue
		}
		count, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read metrics: %w", err)
		}
		switch {
		case strings.HasSuffix(series, `result="signed"`):
			n += int(count)
		case count > 0:
			return 0, fmt.Errorf("files did not end as signed: %s %s", series, value)
		}
	}
	return n, lines.Err()
}
