// Command bench measures latency, throughput, memory and disk usage of a built proxy, and compares
// them with a floor that it measures in the same run. The floor is the work that cannot be avoided:
// two goroutines read the same files, hash them, sign each digest with RSA-2048, write the files
// and sync each of them. Only the ratios within one run can be compared with those of another
// machine or another run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// scenario describes a kind of request whose speed is measured.
type scenario struct {
	name      string
	documents int   // in one request
	size      int64 // of each, in bytes
	requests  int   // one after the other
	async     bool
	raw       bool     // documents travel as they are, not in base64
	kind      *kind    // of the documents; nil = pdf
	env       []string // of the proxy
	rss       float64  // largest peak RSS in MiB that meets the goal; 0 = no goal
	speed     float64  // smallest speed that meets the goal, relative to the floor; 0 = no goal
	title     string   // printed in the table
}

// cores is how many cores the proxy and the floor use. The goals hold for this number.
const cores = 2

// scenarios are the loads for which the original product publishes figures.
var scenarios = []scenario{
	{name: "sync-1", documents: 1, size: 200_000, requests: 40, speed: 0.5,
		title: "sync, 1 x 200 KB: latency, median"},
	{name: "sync-50", documents: 50, size: 200_000, requests: 5, rss: 40, speed: 0.7, title: "sync, 50 x 200 KB"},
	{name: "async-2500", documents: 2500, size: 200_000, requests: 1, async: true, speed: 0.6,
		title: "async, 2,500 x 200 KB"},
	{name: "sync-25x20", documents: 25, size: 20_000_000, requests: 1, env: []string{"GOMEMLIMIT=128MiB"}, rss: 48,
		speed: 0.4, title: "sync, 25 x 20 MB, heap limit 128 MiB"},
	{name: "raw-25x20", documents: 25, size: 20_000_000, requests: 1, env: []string{"GOMEMLIMIT=128MiB"}, rss: 48,
		raw: true, speed: 0.8, title: "sync, 25 x 20 MB without base64, heap limit 128 MiB"},
	{name: "xml-200k-sync", kind: &xml, documents: 50, size: 200_000, requests: 5, rss: 40,
		title: "sync, 50 x 200 KB XML"},
	{name: "async-xml", kind: &xml, documents: 2500, size: 200_000, requests: 1, async: true, speed: 0.6,
		title: "async, 2,500 x 200 KB XML"},
}

func main() {
	bin := flag.String("bin", "bin", "`folder` with the built programs")
	only := flag.String("case", "", "measure only this `case`: "+names())
	documents := flag.Int("documents", 0, "`documents` in a request, instead of the case's own number")
	all := flag.Int("total", millionDocuments, "`documents` that the case million signs")
	temp := flag.String("temp", "", "`folder` for documents and state; the disk of this folder is measured")
	sign := flag.String("sign", "", "sign this `file` and print what it took; cases run this in a process of its own")
	strict := flag.Bool("strict", false, "end with exit code 1 if a goal is missed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := func() error {
		runtime.GOMAXPROCS(cores)
		b := &bench{binary: filepath.Join(*bin, "proxy"), temp: *temp, documents: *documents, total: *all,
			goals: goals{out: os.Stdout}}
		return b.run(ctx, *only, *strict)
	}
	if *sign != "" {
		run = func() error { return signAlone(ctx, *sign, os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// bench is one run of the program.
type bench struct {
	binary    string // the built proxy
	temp      string
	documents int // in a request; 0 = the case's own number
	total     int // documents of the case million
	goals     goals
}

// cases print their own results. The results of scenarios are printed as one table.
var cases = []struct {
	name    string
	measure func(*bench, context.Context) error
	named   bool // it takes long, and runs only if it is named
}{
	{name: "engine", measure: func(b *bench, ctx context.Context) error { return b.engine(ctx, engineLoads) }},
	{name: "xml-200k-engine", measure: func(b *bench, ctx context.Context) error { return b.engine(ctx, xmlLoads) }},
	{name: "xml-engine", measure: (*bench).xmlEngine},
	{name: "large", measure: (*bench).large},
	{name: "cades-large", measure: (*bench).cadesLarge},
	{name: "remote", measure: (*bench).remote},
	{name: "fleet", measure: (*bench).fleet},
	{name: "load-concurrent", measure: (*bench).concurrent},
	{name: "load-queued", measure: (*bench).queued},
	{name: "load-single", measure: (*bench).single},
	{name: "load-many", measure: (*bench).many},
	{name: "million", measure: (*bench).million, named: true},
	{name: "million-paper", measure: (*bench).paper, named: true},
	{name: "hotfolder-200k", measure: (*bench).hotFolder},
	{name: "hotfolder-small", measure: func(b *bench, ctx context.Context) error { return b.hotSmall(ctx, hotFew) }},
	{name: "hotfolder-many", measure: func(b *bench, ctx context.Context) error { return b.hotSmall(ctx, 10*hotFew) },
		named: true},
	{name: "hotfolder-million", measure: func(b *bench, ctx context.Context) error { return b.hotSmall(ctx, hotMany) },
		named: true},
}

func names() string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	for _, c := range cases {
		all = append(all, c.name)
	}
	return strings.Join(all, ", ") + "; load for all that begin with load-"
}

// meets reports whether the case name was selected by only: it is only, or begins with only and a
// dash.
func meets(only, name string) bool {
	return only == "" || only == name || strings.HasPrefix(name, only+"-")
}

func (b *bench) run(ctx context.Context, only string, strict bool) error {
	fmt.Printf("%s %s/%s, %d cores\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if n := runtime.NumCPU(); n != cores {
		fmt.Fprintf(os.Stderr, "bench: %d cores, but the goals are for %d cores that proxy and client share: "+
			"run it with taskset -c 0,1\n", n, cores)
	}
	found := false
	for _, c := range cases {
		if !meets(only, c.name) || c.named && only == "" {
			continue
		}
		found = true
		fmt.Fprintf(os.Stderr, "%s ...\n", c.name)
		if err := c.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Println()
	}
	results, err := b.scenarios(ctx, only)
	if err != nil {
		return err
	}
	if len(results) == 0 && !found {
		return fmt.Errorf("no case %q; the cases are %s", only, names())
	}
	if len(results) > 0 {
		printTable(results)
		b.judge(results)
	}
	if err := b.goals.err(); strict {
		return err
	}
	return nil
}

func (b *bench) scenarios(ctx context.Context, only string) (results []result, err error) {
	for _, s := range scenarios {
		if !meets(only, s.name) {
			continue
		}
		if b.documents > 0 {
			s.documents = b.documents
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", s.title)
		r, err := measure(ctx, b.binary, b.temp, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// judge compares the scenarios with their goals.
func (b *bench) judge(results []result) {
	for _, r := range results {
		if r.rss > 0 {
			b.goals.rss(r.name, r.peakRSS, r.rss)
		}
		if r.speed > 0 {
			b.goals.atLeast(r.name+": speed / floor", ratio(r.floor.wall, r.own()), r.speed, "")
		}
		b.goals.disk(r.name, r.peakState, r.payload, r.held)
	}
}

func printTable(results []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\twall\tclient CPU\tproxy CPU\tproxy's time\tfloor\tspeed / floor\t"+
		"floor CPU / proxy CPU\tdocuments/s\tfetch\tpeak RSS\tpeak state / payload")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.0f\t%s\t%.0f MiB\t%.2f\n",
			r.name, ms(r.wall), ms(r.clientCPU), ms(r.proxyCPU), ms(r.own()), ms(r.floor.wall),
			ratio(r.floor.wall, r.own()), ratio(r.floor.cpu, r.proxyCPU), r.documentsPerSecond(), ms(r.fetch),
			float64(r.peakRSS)/(1<<20), float64(r.peakState)/float64(r.payload))
	}
	w.Flush()
	fmt.Print(`
Times are those of one request. "proxy's time" is the wall time without the client's share: without all of the client's
CPU time if the request has one document, without half of it if both cores are busy, and the whole wall time if there
are more than two cores. "floor" is the median of rounds before and after. "wall" ends when the result is on the proxy's
disk (async) or at the client (sync). "fetch" is the download of an async result. "peak state" counts blocks of the disk.
`)
}

func ms(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < 10*time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func ratio[N ~int64](a, b N) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}
