// Command bench measures a built proxy: latency, throughput, memory and disk, beside a floor that is measured in the same run. The
// floor is what cannot be avoided: two goroutines read the same files, hash them, sign each digest with RSA-2048, write the files
// and sync each. Figures of two machines, or of two runs on a busy one, say little; the ratios of one run do.
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

// scenario is one thing that is measured.
type scenario struct {
	name      string
	documents int   // in one request
	size      int64 // of each, in bytes
	requests  int   // one after the other
	async     bool
	env       []string // of the proxy
	what      string
}

// scenarios are the loads that the original product publishes figures for.
var scenarios = []scenario{
	{name: "sync-1", documents: 1, size: 200_000, requests: 40, what: "sync, 1 x 200 KB: latency, median"},
	{name: "sync-50", documents: 50, size: 200_000, requests: 5, what: "sync, 50 x 200 KB"},
	{name: "async-2500", documents: 2500, size: 200_000, requests: 1, async: true, what: "async, 2,500 x 200 KB"},
	{name: "sync-25x20", documents: 25, size: 20_000_000, requests: 1, env: []string{"GOMEMLIMIT=128MiB"}, what: "sync, 25 x 20 MB, heap limit 128 MiB"},
}

func main() {
	bin := flag.String("bin", "bin", "`folder` with the built programs")
	only := flag.String("case", "", "measure this `case` alone: "+names())
	documents := flag.Int("documents", 0, "`documents` in a request, in place of the case's own number")
	temp := flag.String("temp", "", "`folder` for documents and state; its disk is what is measured")
	sign := flag.String("sign", "", "sign this `file` in place and print the memory it took; what the case large runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := func() error { return bench(ctx, *bin, *only, *documents, *temp) }
	if *sign != "" {
		run = func() error { return signLarge(ctx, *sign) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func names() string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return strings.Join(append(all, engineCase, largeCase, remoteCase, loadCase), ", ")
}

func bench(ctx context.Context, bin, only string, documents int, temp string) error {
	if only == engineCase || only == "" {
		if err := benchEngine(ctx, temp); err != nil || only != "" {
			return err
		}
	}
	if only == largeCase || only == "" {
		if err := benchLarge(ctx, temp); err != nil || only != "" {
			return err
		}
	}
	if only == remoteCase || only == "" {
		if err := benchRemote(ctx, filepath.Join(bin, "proxy"), temp, documents); err != nil || only != "" {
			return err
		}
	}
	if only == loadCase || only == "" {
		if err := benchLoad(ctx, filepath.Join(bin, "proxy"), temp); err != nil || only != "" {
			return err
		}
	}
	var results []result
	for _, s := range scenarios {
		if only != "" && s.name != only {
			continue
		}
		if documents > 0 {
			s.documents = documents
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", s.what)
		r, err := measure(ctx, filepath.Join(bin, "proxy"), temp, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return fmt.Errorf("no case %q: there are %s", only, names())
	}
	printTable(results)
	return nil
}

func printTable(results []result) {
	fmt.Printf("%s %s/%s, %d cores\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\twall\tclient CPU\tproxy CPU\tproxy's time\tfloor\tspeed / floor\tfloor CPU / proxy CPU\tdocuments/s\tfetch\tpeak RSS\tpeak state / payload")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.0f\t%s\t%.0f MiB\t%.2f\n",
			r.name, ms(r.wall), ms(r.clientCPU), ms(r.proxyCPU), ms(r.own()), ms(r.floor.wall),
			ratio(r.floor.wall, r.own()), ratio(r.floor.cpu, r.proxyCPU), r.documentsPerSecond(), ms(r.fetch),
			float64(r.peakRSS)/(1<<20), float64(r.peakState)/float64(r.payload))
	}
	w.Flush()
	fmt.Print(`
Times are of one request. "proxy's time" is the wall time without the client's share: all of its CPU time where one document is
waited for, divided by the cores where they are all busy. "wall" ends when the result is on the proxy's disk (async) or with the
client (sync); "fetch" is the way of an async result to the client. "peak state" is counted in blocks that the disk gave.
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

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}
