// Command kubectl-signstash is a plugin of kubectl: it shows the instances, the client services and
// the operations of a release of signstash-proxy on Kubernetes. It changes nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // something could not be read, or a signature is not valid; standard error says what
	exitUsage  = 2 // wrong usage; nothing was attempted
)

const usage = `kubectl signstash shows what a release of signstash-proxy does.

  kubectl signstash status            the instances, the controller and the last faults
  kubectl signstash clients           the Secrets of the client services, and whether they are in force
  kubectl signstash operations [ID]   the last operations of all instances, or one by its id or reference
  kubectl signstash drain [POD...]    how far the stop of the instances is
  kubectl signstash verify FILES...   check signatures in local files; this runs signctl verify
  kubectl signstash version           print the version

Each command has --help. The commands change nothing. All but verify take these flags:

  -n, --namespace NAME   namespace of the release (default: that of the context)
  --release NAME         name of the Helm release (default: the only one in the namespace)
  --context NAME         context of the kubeconfig file
  --kubeconfig FILE      kubeconfig file (default: KUBECONFIG or ~/.kube/config)
  -o table|json          form of the output

Exit code: 0 success; 1 something could not be read, or a signature is not valid; 2 wrong usage.
`

func main() {
	klog.SetLogger(logr.Discard()) // the client library logs what its errors say
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr, now: time.Now})
	stop()
	os.Exit(code)
}

// streams holds the standard streams and the clock.
type streams struct {
	out, err io.Writer
	now      func() time.Time
}

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	if len(args) == 0 {
		fmt.Fprint(s.err, usage)
		return exitUsage
	}
	commands := map[string]func(context.Context, []string, streams) error{
		"status": runStatus, "clients": runClients, "operations": runOperations, "drain": runDrain, "verify": runVerify,
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(s.out, usage)
		return exitOK
	case "version", "-version", "--version":
		fmt.Fprintln(s.out, "kubectl-signstash", version)
		return exitOK
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(s.err, "kubectl signstash: no command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	return report(command(ctx, args[1:], s), args[0], s.err)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// errReported ends a command that has already printed to standard error what failed.
var errReported = errors.New("already reported")

// report prints err once and converts it to an exit code.
func report(err error, command string, stderr io.Writer) int {
	var wrongUse usageError
	var code exitCode
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrongUse):
		fmt.Fprintf(stderr, "kubectl signstash %s: %s (see kubectl signstash %s --help)\n", command,
			printable(err.Error()), command)
		return exitUsage
	}
	fmt.Fprintf(stderr, "kubectl signstash %s: %s\n", command, printable(err.Error()))
	return exitFailed
}

// printable replaces control characters by question marks. Texts from the cluster could use them to
// manipulate the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
