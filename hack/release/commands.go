package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// passwordVariable is the environment variable with the password of a key file, as for cosign.
const passwordVariable = "COSIGN_PASSWORD"

func runBuild(ctx context.Context, args []string, stdout io.Writer) error {
	cfg := build.Config{Log: logTo(stdout)}
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.StringVar(&cfg.Top, "top", ".", "top `folder` of the checkout")
	flags.StringVar(&cfg.Out, "out", "out/release", "`folder` of the release; what is there is replaced")
	flags.StringVar(&cfg.Registry, "registry", "",
		"`registry` in which the chart looks for its images, with the path")
	flags.StringVar(&cfg.Builder, "builder", statement.Project+"/hack/release",
		"`URI` of who builds, for the provenance")
	flags.StringVar(&cfg.SourceURI, "source", statement.Project, "`URI` of the repository, for the provenance")
	flags.BoolVar(&cfg.AllowDirty, "allow-dirty", false, "permit changes that are not committed; the version says so")
	platformFlags(flags, &cfg)
	keyFile := flags.String("key", "", "`file` of the key that signs: of cosign (its password is in COSIGN_PASSWORD), or "+
		"PKCS #8 in PEM. Without it the release is not signed")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *keyFile != "" {
		key, err := readKey(*keyFile)
		if err != nil {
			return fmt.Errorf("%s: %w", *keyFile, err)
		}
		cfg.Key = &key
	}
	version, err := build.Run(ctx, cfg)
	if err != nil {
		return err
	}
	cfg.Log("release %s is in %s", version, cfg.Out)
	if cfg.Key == nil {
		cfg.Log("it is not signed, because no key was given")
	}
	return nil
}

// platformFlags declares the flags with lists of platforms.
func platformFlags(flags *flag.FlagSet, cfg *build.Config) {
	list := func(name, usage string, to *[]image.Platform) {
		flags.Func(name, usage, func(text string) error {
			*to = []image.Platform{}
			for _, p := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
				os, arch, ok := strings.Cut(p, "/")
				if !ok {
					return errors.New("want OS/ARCH")
				}
				*to = append(*to, image.Platform{OS: os, Arch: arch})
			}
			return nil
		})
	}
	list("platforms", "`list` of the platforms of the images (default linux/amd64,linux/arm64)", &cfg.Platforms)
	list("clients", "`list` of further platforms with signctl (default darwin/amd64,darwin/arm64,windows/amd64)",
		&cfg.Clients)
}

func readKey(file string) (cosign.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return cosign.PrivateKey{}, err
	}
	return cosign.ParsePrivateKey(text, []byte(os.Getenv(passwordVariable)))
}

func runPush(ctx context.Context, args []string, stdout io.Writer) error {
	var registry oci.Registry
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	dir := flags.String("dir", "out/release", "`folder` of the release")
	unsigned := flags.Bool("unsigned", false, "push a release without signatures, for example to sign it afterwards")
	registryFlags(flags, &registry)
	if err := parse(flags, args); err != nil {
		return err
	}
	if registry.Name == "" {
		return errors.New("-registry is required")
	}
	if _, err := os.Stat(filepath.Join(*dir, build.SumsSignature)); err != nil && !*unsigned {
		return fmt.Errorf("the release is not signed: %w", err)
	}
	return pushRelease(ctx, *dir, registry, stdout)
}

// pushRelease copies the release in the folder dir to a registry, and prints what was pushed.
func pushRelease(ctx context.Context, dir string, registry oci.Registry, stdout io.Writer) error {
	// The chart comes last, because it needs the images.
	for _, repository := range []string{build.TrialRepository, build.ProxyRepository, build.ChartRepository} {
		layout := filepath.Join(dir, build.LayoutFolder, filepath.FromSlash(repository))
		pushed, err := oci.Push(ctx, layout, registry, repository)
		for _, ref := range pushed {
			fmt.Fprintln(stdout, "pushed", ref)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func registryFlags(flags *flag.FlagSet, registry *oci.Registry) {
	flags.StringVar(&registry.Name, "registry", "", "`registry` with the path of the repositories, such as "+
		"registry.example.org/signing")
	flags.BoolVar(&registry.PlainHTTP, "plain-http", false, "ask a registry at a loopback address without TLS")
}

func runVerify(ctx context.Context, args []string, stdout io.Writer) error {
	var registry oci.Registry
	cfg := verify.Config{Log: logTo(stdout)}
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	dir := flags.String("dir", "", "`folder` of the release, instead of a registry")
	keyFile := flags.String("key", "", "`file` of the public key, such as cosign.pub")
	flags.StringVar(&cfg.Version, "version", "", "`version` of the release; required for a registry")
	flags.StringVar(&cfg.Builder, "builder", "", "`URI` of who must have built; empty means anybody with the key")
	flags.StringVar(&cfg.Commit, "commit", "", "`commit` from which it must have been built; empty means any")
	flags.BoolVar(&cfg.AllowDirty, "allow-dirty", false, "accept a release with changes that are not in its commit")
	registryFlags(flags, &registry)
	if err := parse(flags, args); err != nil {
		return err
	}
	switch {
	case *keyFile == "":
		return errors.New("-key is required")
	case (*dir == "") == (registry.Name == ""):
		return errors.New("either -dir or -registry is required")
	case *dir == "" && cfg.Version == "":
		return errors.New("-version is required for a registry")
	}
	text, err := os.ReadFile(*keyFile)
	if err != nil {
		return err
	}
	if cfg.Key, err = cosign.ParsePublicKey(text); err != nil {
		return fmt.Errorf("%s: %w", *keyFile, err)
	}
	if *dir != "" {
		return verify.Folder(ctx, *dir, cfg)
	}
	return verify.Repositories(ctx, cfg, func(name string) (oci.Source, error) { return oci.OpenRemote(registry, name) })
}
