// Command release builds, signs, publishes and verifies releases of the proxy. README.md says how
// an owner releases and how a user verifies.
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
)

const usage = `release builds, signs, publishes and verifies a release.

  release build     build a release in a folder; publish nothing
  release push      copy a release to a registry
  release verify    verify a release in a folder or in a registry
  release keygen    make a key that signs releases, as "cosign generate-key-pair" does
  release serve     build a release, publish it in a registry in memory, verify it there, and serve it, for tests

Each command has -help.
`

// command is one of the commands.
type command func(ctx context.Context, args []string, stdout io.Writer) error

var commands = map[string]command{
	"build": runBuild, "push": runPush, "verify": runVerify, "keygen": runKeygen, "serve": runServe,
}

// errUsage says that the command line is wrong. What is wrong has been printed.
var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 || commands[args[0]] == nil {
		fmt.Fprint(os.Stderr, usage)
		return errUsage
	}
	return commands[args[0]](ctx, args[1:], stdout)
}

// parse parses the flags of a command. No command takes further arguments.
func parse(flags *flag.FlagSet, args []string) error {
	flags.Init(flags.Name(), flag.ContinueOnError)
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "release %s: unexpected arguments: %s\n", flags.Name(), strings.Join(flags.Args(), " "))
		return errUsage
	}
	return nil
}

// logTo returns a function that prints lines.
func logTo(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
}
