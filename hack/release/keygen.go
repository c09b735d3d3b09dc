package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
)

func runKeygen(_ context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("keygen", flag.ContinueOnError)
	prefix := flags.String("output", "cosign", "`prefix` of the files PREFIX.key and PREFIX.pub")
	if err := parse(flags, args); err != nil {
		return err
	}
	key, err := cosign.Generate()
	if err != nil {
		return err
	}
	private, err := key.Encrypt([]byte(os.Getenv(passwordVariable)))
	if err != nil {
		return err
	}
	public, err := key.Public().PEM()
	if err != nil {
		return err
	}
	if err := create(*prefix+".key", private, 0o600); err != nil {
		return err
	}
	if err := create(*prefix+".pub", public, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "made %s.key and %s.pub\n", *prefix, *prefix)
	return nil
}

// create writes a new file. It never replaces a key.
func create(name string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
