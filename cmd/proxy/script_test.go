package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

// The scripts in testdata/script specify the API by requests and answers. They run against the
// built programs. In addition to testscript's own commands there are:
//
//	proxy start [FLAGS]       start the proxy, with the clients alice and bob; it keeps its state
//	                          folder and its work folder between starts
//	proxy stop                send SIGTERM; the exit code must be 0
//	proxy kill                send SIGKILL
//	http FILE                 run the blocks of FILE (see block_test.go)
//	hangup upload P           break a connection in the middle of a POST to P
//	hangup download P         break a connection in the middle of the answer of a GET of P
//
// Variables: FONTS is a folder with fonts of many scripts. URL, MANAGEMENT, HOST and PORT belong to
// the proxy. ALICE and BOB are the HTTP Basic credentials of the two clients. Files: invoice.pdf
// and other.pdf are two of the samples.
func TestScripts(t *testing.T) {
	t.Parallel()
	bin := build(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup:              func(env *testscript.Env) error { return setup(env, bin) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"proxy": cmdProxy, "http": cmdHTTP, "hangup": cmdHangup,
		},
	})
}

// clients are the client services of every script.
var clients = map[string]string{"PRT.1-PRT.2-alice": "alice's secret", "PRT.1-PRT.2-bob": "bob's secret"}

// state holds the processes of a running script.
type state struct {
	bin          string // folder of the built programs
	work, folder string
	proxy        *instance.Instance
}

type stateKey struct{}

func setup(env *testscript.Env, bin string) error {
	s := &state{bin: bin, work: filepath.Join(env.WorkDir, "work"), folder: filepath.Join(env.WorkDir, "state")}
	env.Values[stateKey{}] = s
	env.Defer(func() {
		if s.proxy != nil {
			s.proxy.Kill()
		}
	})
	env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for id, secret := range clients {
		_, name, _ := strings.Cut(id, "PRT.2-")
		env.Setenv(strings.ToUpper(name), "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	}
	fonts, err := filepath.Abs(filepath.Join("..", "..", "pkg", "pades", "appearance", "testdata", "fonts"))
	if err != nil {
		return err
	}
	env.Setenv("FONTS", fonts)
	env.Setenv("SIGNSTASH_CLIENT_ID", "PRT.1-PRT.2-alice")
	env.Setenv("SIGNSTASH_SECRET", clients["PRT.1-PRT.2-alice"])
	for name, sample := range map[string]string{
		"invoice.pdf": "gnuaccounting-re-20201121.pdf",
		"other.pdf":   "hybrid-xref.pdf",
	} {
		content, err := os.ReadFile(filepath.Join("..", "..", "hack", "samples", sample))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), content, 0o600); err != nil {
			return err
		}
	}
	if _, err := os.Stat(s.work); err == nil {
		return nil // the script has its own work folder
	}
	return instance.WriteClients(s.work, clients)
}

func cmdProxy(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(stateKey{}).(*state)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: proxy start [FLAGS] | stop | kill")
	}
	if args[0] != "start" && s.proxy == nil {
		ts.Fatalf("no proxy is running")
	}
	switch args[0] {
	case "start":
		if s.proxy != nil {
			ts.Fatalf("a proxy is running already")
		}
		start(ts, s, args[1:])
	case "stop":
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		err := s.proxy.Stop(ctx)
		s.proxy = nil
		ts.Check(err)
	case "kill":
		s.proxy.Kill()
		s.proxy = nil
	default:
		ts.Fatalf("proxy %s: no such command", args[0])
	}
}

func start(ts *testscript.TestScript, s *state, flags []string) {
	log, err := os.OpenFile(ts.MkAbs("proxy.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	s.proxy, err = instance.Start(context.Background(),
		instance.Options{Binary: filepath.Join(s.bin, "proxy"), Work: s.work, State: s.folder, Args: flags, Log: log})
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		ts.Fatalf("%v\n%s", err, text)
	}
	u, err := url.Parse(s.proxy.URL)
	ts.Check(err)
	ts.Setenv("URL", s.proxy.URL)
	ts.Setenv("SIGNSTASH_URL", s.proxy.URL)
	ts.Setenv("MANAGEMENT", s.proxy.Management)
	ts.Setenv("HOST", u.Hostname())
	ts.Setenv("PORT", u.Port())
}

// cmdHangup breaks a connection in the middle.
func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hangup upload|download PATH")
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(ts.Getenv("HOST"), ts.Getenv("PORT")))
	ts.Check(err)
	defer conn.Close()
	ts.Check(conn.SetDeadline(time.Now().Add(time.Minute)))
	path := strings.TrimPrefix(target(ts, args[1]), ts.Getenv("URL"))
	head := " " + path + " HTTP/1.1\r\nHost: proxy\r\nAuthorization: " + ts.Getenv("ALICE") + "\r\n"
	switch args[0] {
	case "upload":
		_, err = fmt.Fprintf(
			conn,
			"POST%sContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n%s",
			head,
			`{"externalReference":"half","description":"d","documents":[{"documentRequest":{"externalReference":"d","name":"d.pdf",`+
				`"contentType":"application/pdf","base64Content":"`+strings.Repeat("AAAA", 50_000),
		)
		ts.Check(err)
	case "download":
		_, err = fmt.Fprintf(conn, "GET%s\r\n", head)
		ts.Check(err)
		first := make([]byte, 1000)
		_, err = conn.Read(first)
		ts.Check(err)
		if !bytes.HasPrefix(first, []byte("HTTP/1.1 200")) {
			ts.Fatalf("the answer begins %q", first)
		}
	default:
		ts.Fatalf("hangup %s: no such direction", args[0])
	}
	ts.Check(conn.(*net.TCPConn).SetLinger(0)) // a reset, like that of a killed client
}

// cmdHTTP runs the blocks of a file.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: http FILE")
	}
	blocks, err := parseBlocks(ts.ReadFile(args[0]))
	ts.Check(err)
	for _, b := range blocks {
		ts.Logf("### %s", b.title)
		if err := runBlock(ts, b); err != nil {
			ts.Fatalf("%s: %s\n%v", args[0], b.title, err)
		}
	}
}

// patience is how long a block marked "eventually" is repeated.
const patience = 3 * time.Minute

func runBlock(ts *testscript.TestScript, b block) error {
	for giveUp := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) { // waits for another process
		a, err := call(ts, b)
		if err == nil {
			err = a.check(ts, b)
		}
		if err == nil || !b.eventually || time.Now().After(giveUp) {
			return err
		}
	}
}

// apiPath is prepended to paths that do not begin with a slash.
const apiPath = "/signstash/einvoice-integration-client-ws/api/v0/"

func target(ts *testscript.TestScript, path string) string {
	switch {
	case strings.HasPrefix(path, "http"):
		return path
	case strings.HasPrefix(path, "/"):
		return ts.Getenv("URL") + path
	}
	return ts.Getenv("URL") + apiPath + path
}

func call(ts *testscript.TestScript, b block) (*answer, error) {
	expand := func(s string) string { return os.Expand(s, ts.Getenv) }
	body, err := b.content(ts)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(b.method, target(ts, expand(b.path)), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range b.headers {
		req.Header.Set(h.name, expand(h.value))
	}
	client := http.Client{
		Timeout:       2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readAnswer(resp)
}

func atoi(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return n, nil
}
