package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options says what to start.
type Options struct {
	Binary string   // the built proxy
	Work   string   // work folder; it holds client-services-config.json
	State  string   // state folder
	Args   []string // further flags
	Env    []string // further environment, as NAME=value
	Log    io.Writer

	Unready bool // Start returns once the ports listen, ready or not
}

// Instance is a running proxy.
type Instance struct {
	URL        string // root of the REST port
	Management string // root of the management port
	// CAFile is the certificate of the development CA, if the embedded key signs.
	CAFile string

	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait; valid once ended is closed
}

// WriteClients writes client-services-config.json into the folder work. secrets maps the ids of
// client services to their secrets.
func WriteClients(work string, secrets map[string]string) error {
	type entry struct {
		Secret string `json:"secret"`
	}
	clients := map[string]entry{}
	for id, secret := range secrets {
		clients[id] = entry{secret}
	}
	text, err := json.MarshalIndent(clients, "", "  ")
	if err != nil {
		return fmt.Errorf("encode client services: %w", err)
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		return fmt.Errorf("make work folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(work, "client-services-config.json"), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write client services: %w", err)
	}
	return nil
}

// startTimeout is generous, because the slowest start creates an RSA key and opens a large store on
// a busy machine.
const startTimeout = 60 * time.Second

// Start starts a proxy and returns when it is ready to serve. The caller ends it with Stop or Kill.
func Start(ctx context.Context, o Options) (*Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "instance-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	ready := filepath.Join(dir, "ready.json")
	i := &Instance{ended: make(chan struct{})}
	i.cmd = command(o, ready)
	if err := i.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	go func() {
		i.err = i.cmd.Wait()
		close(i.ended)
	}()
	if err := i.waitReady(ctx, o, ready); err != nil {
		i.Kill()
		return nil, err
	}
	i.CAFile = filepath.Join(o.State, caFile)
	if matches, _ := filepath.Glob(filepath.Join(o.State, "*", caFile)); len(matches) == 1 {
		i.CAFile = matches[0]
	}
	return i, nil
}

// caFile is the name of the embedded key's CA certificate, in the state folder or in a folder below
// it.
const caFile = "development-ca.pem"

func command(o Options, ready string) *exec.Cmd {
	cmd := exec.Command(o.Binary, append([]string{
		"--server.address=127.0.0.1", "--server.port=0",
		"--management.server.address=127.0.0.1", "--management.server.port=0",
		"--work.folder=" + o.Work, "--state.folder=" + o.State, "--ready.file=" + ready,
	}, o.Args...)...)
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	return cmd
}

// waitReady waits for the ready file, then for /readyz.
func (i *Instance) waitReady(ctx context.Context, o Options, ready string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if i.URL == "" {
			i.readAddresses(ready)
		}
		if i.URL != "" && (o.Unready || answers(ctx, i.Management+"/readyz")) {
			return nil
		}
		select {
		case <-i.ended:
			return fmt.Errorf("the proxy ended before it was ready: %w", i.exit())
		case <-ctx.Done():
			return fmt.Errorf("wait for the proxy: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func (i *Instance) readAddresses(ready string) {
	var addresses struct{ Rest, Management string }
	text, err := os.ReadFile(ready)
	if err != nil || json.Unmarshal(text, &addresses) != nil {
		return // the file does not exist yet, or is incomplete
	}
	i.URL, i.Management = "http://"+addresses.Rest, "http://"+addresses.Management
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// PID returns the process id.
func (i *Instance) PID() int { return i.cmd.Process.Pid }

// Ended returns a channel that is closed when the process has ended.
func (i *Instance) Ended() <-chan struct{} { return i.ended }

// Stop asks the proxy to end (SIGTERM) and waits until it has ended. It returns an error if the
// exit code is not 0. When ctx is done it kills the proxy and returns an error.
func (i *Instance) Stop(ctx context.Context) error {
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop proxy: %w", err)
	}
	select {
	case <-i.ended:
	case <-ctx.Done():
		i.Kill()
		return fmt.Errorf("stop proxy: %w", ctx.Err())
	}
	if i.err != nil {
		return fmt.Errorf("stop proxy: %w", i.err)
	}
	return nil
}

// Kill ends the process at once (SIGKILL) and waits until it has ended.
func (i *Instance) Kill() {
	_ = i.cmd.Process.Kill() // it may already have ended
	<-i.ended
}

func (i *Instance) exit() error {
	if i.err != nil {
		return i.err
	}
	return errors.New("exit status 0")
}

// Memory holds the resident memory of a process in bytes, as the kernel reports it.
type Memory struct {
	Peak int64 // VmHWM: the maximum since the start
	Now  int64 // VmRSS
}

// Memory returns the memory of the proxy. It reads /proc and works only on Linux.
func (i *Instance) Memory() (Memory, error) { return MemoryOf(i.PID()) }

// MemoryOf returns the memory of any process.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read memory of a process: %w", err)
	}
	var m Memory
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmHWM:":
			m.Peak = kib << 10
		case "VmRSS:":
			m.Now = kib << 10
		}
	}
	if m.Peak == 0 {
		return Memory{}, errors.New("read memory of a process: no VmHWM")
	}
	return m, nil
}
