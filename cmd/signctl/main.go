// Command signctl sends documents to a proxy and fetches the signed documents. People and scripts
// use it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker (-X main.version=…).
var version = "devel"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // something was not signed or not found; standard error names it
	exitUsage  = 2 // wrong usage; nothing was attempted
)

const usage = `signctl signs documents with a signstash proxy.

  signctl sign FILES... [--out DIR]   sign PDF, XML and any other files and write the signed files to DIR
  signctl status REF                  print the operations that have this external reference
  signctl get REF [--out DIR]         fetch the signed documents of an operation
  signctl verify FILES... [--ca FILE] check the signatures in PDF, XML, .p7m and .p7s files, without network access
  signctl audit verify FOLDER         check the audit record; FOLDER is the folder audit in the state folder
  signctl state check FOLDER          check the state folder of a stopped proxy, without changing it
  signctl drain status                print how far the stop of an instance is
  signctl hotfolder check|list|retry RUN|release ORDINAL
                                      check and repair the hot folders of a running or a stopped proxy
  signctl version                     print the version

Each command has --help. The commands sign, status and get call the proxy. These flags and environment variables say
where the proxy is and who calls it:

  SIGNSTASH_URL         URL of the proxy, such as http://localhost:8080    (--url)
  SIGNSTASH_CLIENT_ID   id of the client service                           (--client-id)
  SIGNSTASH_SECRET      secret of the client service                       (--secret-file names a file with it)
  SIGNSTASH_TOKEN       Bearer token, instead of id and secret

Exit code: 0 success; 1 a document was not signed or is not valid, or an operation was not found; 2 wrong usage.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr, env: os.Getenv})
	stop()
	os.Exit(code)
}

// streams holds the standard streams and the environment that a command may use.
type streams struct {
	out, err io.Writer
	env      func(string) string
}

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	if len(args) == 0 {
		fmt.Fprint(s.err, usage)
		return exitUsage
	}
	commands := map[string]func(context.Context, []string, streams) error{
		"sign": runSign, "status": runStatus, "get": runGet, "verify": runVerify,
		"audit": runAudit, "state": runState, "drain": runDrain,
		"hotfolder": runHotFolder,
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(s.out, usage)
		return exitOK
	case "version", "-version", "--version":
		fmt.Fprintln(s.out, "signctl", version)
		return exitOK
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(s.err, "signctl: no command %q\n\n%s", args[0], usage)
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
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &wrongUse):
		fmt.Fprintf(stderr, "signctl %s: %s (see signctl %s --help)\n", command, printable(err.Error()), command)
		return exitUsage
	}
	fmt.Fprintf(stderr, "signctl %s: %s\n", command, printable(err.Error()))
	return exitFailed
}

// newFlags returns a flag set whose help is text.
func newFlags(name, text string, s streams) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // report prints mistakes once
	fs.Usage = func() {
		fs.SetOutput(s.out)
		fmt.Fprint(s.out, text, "\nFlags:\n")
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
	}
	return fs
}

// parse reads flags and arguments in any order. Everything after "--" is an argument.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err}
		}
		left := fs.Args()
		if consumed := len(args) - len(left); consumed > 0 && args[consumed-1] == "--" || len(left) == 0 {
			return append(rest, left...), nil
		}
		rest = append(rest, left[0])
		args = left[1:]
	}
}
