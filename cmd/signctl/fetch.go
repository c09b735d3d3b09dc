package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

const statusHelp = `signctl status REF [flags]

Prints the operations that have the external reference REF, newest first. Each line shows the id, the status,
the time of creation, and the address of the instance that owns the operation.
`

func runStatus(ctx context.Context, args []string, s streams) error {
	var conn connection
	fs := newFlags("status", statusHelp, s)
	conn.register(fs, s.env)
	reference, err := oneReference(parse(fs, args))
	if err != nil {
		return err
	}
	cl, err := conn.client(s.env, newProgress(s, 0).notice)
	if err != nil {
		return err
	}
	ops, err := cl.Status(ctx, reference)
	if err != nil {
		return err
	}
	for _, op := range ops {
		fmt.Fprintf(s.out, "%d\t%s\t%s\t%s\n", op.ID, printable(op.Status), printable(op.Created),
			printable(net.JoinHostPort(op.Host, strconv.Itoa(op.Port))))
	}
	if len(ops) == 0 {
		return fmt.Errorf("no operation has the reference %s", reference)
	}
	return nil
}

const getHelp = `signctl get REF [--out DIR] [flags]

Fetches the signed documents of the newest operation that has the external reference REF. Writes them to DIR,
under the names that they have in the request. CAdES adds .p7m or .p7s. Reports each document that was not
signed, with the reason, and then ends with exit code 1. It also reports an answer about another operation, a
document that is not a PDF, an XML or a CMS file although it should be one, and a document that was written
under another name.
`

func runGet(ctx context.Context, args []string, s streams) error {
	var conn connection
	fs := newFlags("get", getHelp, s)
	conn.register(fs, s.env)
	out := fs.String("out", "signed", "`folder` for the signed files")
	fs.Int64Var(&conn.maxContent, "max-bytes", 16<<30,
		"largest number of `bytes` of signed documents that are accepted from the proxy")
	wait := fs.Bool("wait", false, "wait until the operation has ended")
	reference, err := oneReference(parse(fs, args))
	if err != nil {
		return err
	}
	progress := newProgress(s, 0)
	cl, err := conn.client(s.env, progress.notice)
	if err != nil {
		return err
	}
	if *wait {
		if _, err := cl.Wait(ctx, reference); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		return fmt.Errorf("create output folder: %w", err)
	}
	files := &folder{dir: *out}
	defer files.discard()
	op, err := cl.Detail(ctx, reference, files)
	if err != nil {
		return err
	}
	if op.Reference != reference {
		return fmt.Errorf("the proxy answered with the operation %q, not with %s; nothing was written",
			op.Reference, reference)
	}
	if !op.Ended() {
		return fmt.Errorf("%s is still %s; use --wait to wait until it has ended", reference, op.Status)
	}
	keepAll(op, files, progress)
	return progress.finish()
}

// keepAll writes the contents of an answer under the names that the proxy gives to the signed
// documents.
func keepAll(op *client.Operation, files *folder, progress *progress) {
	used := map[string]bool{}
	for i := range op.Documents {
		d := &op.Documents[i]
		name := safeName(d.ResultName(), i, used)
		if reason := d.Failure(); reason != "" {
			progress.failed(failure{name, reason})
			continue
		}
		if err := files.check(d.Content, d.ResultContentType()); err != nil {
			progress.failed(failure{name, err.Error()})
			continue
		}
		path, err := files.keep(d.Content, name)
		if err != nil {
			progress.failed(failure{name, err.Error()})
			continue
		}
		if name != d.ResultName() {
			progress.notice("the document named %q was written as %s", d.ResultName(), path)
		}
		progress.signed(path)
	}
}

// safeName makes a file name from a name in the answer. It keeps no path, makes no hidden file, and
// makes no name twice.
func safeName(name string, i int, used map[string]bool) string {
	base := strings.TrimLeft(filepath.Base(filepath.Clean("/"+strings.ReplaceAll(name, `\`, "/"))), "./")
	base = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, base)
	for base == "" || used[base] {
		base = strconv.Itoa(i+1) + "-" + base
	}
	used[base] = true
	return base
}

func oneReference(args []string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if len(args) != 1 || args[0] == "" {
		return "", usageError{errors.New("exactly one reference is needed")}
	}
	return args[0], nil
}
