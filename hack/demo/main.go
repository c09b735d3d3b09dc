// Command demo shows the whole product in a minute. It starts a proxy with the embedded key, signs
// the sample documents over REST with signctl, once synchronously and once asynchronously, checks
// every result with independent programs, and stops the proxy. PDF files are signed with PAdES, XML
// files with XAdES, and a FatturaPA also with CAdES (.p7m). Then it drops the samples and a broken
// file into a hot folder.
//
// With -prepare it only writes a client file with a random secret into a work folder. `make run`
// uses that for a proxy that is started by hand.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

// clientID is the demo's client service.
const clientID = "PRT.000000000-PRT.000000000-demo"

func main() {
	bin := flag.String("bin", "bin", "`folder` with the built programs")
	out := flag.String("out", "out", "`folder` for the signed documents")
	samples := flag.String("samples", "hack/samples", "`folder` with the documents to sign")
	provider := flag.String("provider", "embedded", "what signs: `embedded`, or csc for the simulated remote service")
	prepare := flag.String("prepare", "", "write a client file into this work `folder` if it has none, and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *prepare != "" {
		err = prepareWork(os.Stdout, *prepare)
	} else {
		err = demo(ctx, *bin, *samples, *out, *provider)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// prepareWork creates a client service with a random secret, if there is none yet, and prints how
// to use it.
func prepareWork(out io.Writer, work string) error {
	path, secretFile := filepath.Join(work, "client-services-config.json"), filepath.Join(work, "secret")
	if _, err := os.Stat(path); err != nil {
		if err := makeClient(work, secretFile); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "clients:", path)
	if _, err := os.Stat(secretFile); err == nil {
		fmt.Fprintf(out, "try:     bin/signctl sign hack/samples/*.pdf hack/samples/*.xml --out signed/ "+
			"--client-id %s --secret-file %s\n", clientID, secretFile)
	}
	return nil
}

func makeClient(work, secretFile string) error {
	secret := rand.Text()
	if err := instance.WriteClients(work, map[string]string{clientID: secret}); err != nil {
		return err
	}
	if err := os.WriteFile(secretFile, []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}

// run is one demo.
type run struct {
	bin, out string
	batches  []batch // the documents to sign
	secret   string
	work     string // the work folder of the proxy
	proxy    *instance.Instance
	remote   *remoteSide // nil: the embedded key signs
}

func demo(ctx context.Context, bin, samples, out, provider string) (err error) {
	started := time.Now()
	r := &run{bin: bin, out: out, secret: rand.Text()}
	if r.batches, err = batchesOf(samples); err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "demo-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(temp)
	logPath := filepath.Join(temp, "proxy.log")
	log, err := os.Create(logPath)
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	if r.remote, err = startRemote(ctx, provider, temp, r.secret); err != nil {
		return err
	}
	defer r.remote.stop()
	if err := r.start(ctx, temp, log); err != nil {
		return withLog(err, logPath)
	}
	defer func() {
		if serr := r.stop(); err == nil {
			err = serr
		}
	}()
	if err := r.signAndCheck(ctx); err != nil {
		return withLog(err, logPath)
	}
	abs, _ := filepath.Abs(out)
	fmt.Printf("\n%d documents were signed twice over REST, and %d in a hot folder, in %s.\n",
		r.documents(), len(r.batches[0].files), time.Since(started).Round(100*time.Millisecond))
	fmt.Printf("They are in %s. The certificate to trust is development-ca.pem in the same folder. ", abs)
	fmt.Println("These signatures have no legal value.")
	return nil
}

func (r *run) start(ctx context.Context, temp string, log io.Writer) (err error) {
	step("starting the proxy with " + r.remote.words())
	o := instance.Options{
		Binary: filepath.Join(r.bin, "proxy"),
		Work:   filepath.Join(temp, "work"),
		State:  filepath.Join(temp, "state"),
		Log:    log,
		Args:   append(r.remote.flags(), hotFlags...),
	}
	r.work = o.Work
	if err := r.writeHotClient(o.Work); err != nil {
		return err
	}
	if r.proxy, err = instance.Start(ctx, o); err != nil {
		return err
	}
	fmt.Println("  REST API at", r.proxy.URL)
	return r.remote.trust(&r.proxy.CAFile)
}

func (r *run) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return r.proxy.Stop(ctx)
}

func (r *run) signAndCheck(ctx context.Context) error {
	if err := os.MkdirAll(r.out, 0o777); err != nil {
		return fmt.Errorf("make output folder: %w", err)
	}
	ca, err := os.ReadFile(r.proxy.CAFile)
	if err != nil {
		return fmt.Errorf("read development CA: %w", err)
	}
	if err := os.WriteFile(filepath.Join(r.out, "development-ca.pem"), ca, 0o666); err != nil {
		return fmt.Errorf("write development CA: %w", err)
	}
	for _, mode := range modes {
		step(fmt.Sprintf("signing %d documents with signctl, %s", r.documents(), mode))
		for _, b := range r.batches {
			if err := r.signctl(ctx, mode, b); err != nil {
				return err
			}
		}
	}
	step("checking every result")
	if err := r.check(ctx); err != nil {
		return err
	}
	return r.signInHotFolder(ctx)
}

func step(text string) { fmt.Println("==", text) }

// withLog adds the end of the proxy's log to an error.
func withLog(err error, path string) error {
	text, rerr := os.ReadFile(path)
	if rerr != nil || len(text) == 0 {
		return err
	}
	const most = 4000 // bytes
	return errors.Join(err, fmt.Errorf("end of the proxy's log:\n%s", text[max(0, len(text)-most):]))
}
