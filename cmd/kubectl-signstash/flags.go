package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
)

// options are the flags that all commands take that ask the cluster.
type options struct {
	kubeconfig, context, namespace, release, form string
}

// newFlags returns a flag set with the common flags, whose help is text.
func newFlags(name, text string, s streams, o *options) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // report prints mistakes once
	fs.Usage = func() {
		fs.SetOutput(s.out)
		fmt.Fprint(s.out, text, "\nFlags:\n")
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
	}
	fs.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file` (default: KUBECONFIG or ~/.kube/config)")
	fs.StringVar(&o.context, "context", "", "`name` of the context in the kubeconfig file")
	fs.StringVar(&o.namespace, "namespace", "", "`name` of the namespace of the release (default: that of the context)")
	fs.StringVar(&o.namespace, "n", "", "short for --namespace `name`")
	fs.StringVar(&o.release, "release", "", "`name` of the Helm release (default: the only one in the namespace)")
	fs.StringVar(&o.form, "o", "table", "`form` of the output: table or json")
	return fs
}

// parse reads flags and arguments in any order. Everything after "--" is an argument.
func parse(fs *flag.FlagSet, args []string, o *options) ([]string, error) {
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
			rest = append(rest, left...)
			break
		}
		rest = append(rest, left[0])
		args = left[1:]
	}
	if o.form != "table" && o.form != "json" {
		return nil, usageError{fmt.Errorf("-o must be table or json, not %q", o.form)}
	}
	return rest, nil
}

// noArguments is parse for a command that takes only flags.
func noArguments(fs *flag.FlagSet, args []string, o *options) error {
	rest, err := parse(fs, args, o)
	if err == nil && len(rest) > 0 {
		return usageError{fmt.Errorf("the command takes no argument, but got %q", rest[0])}
	}
	return err
}

// show prints data as JSON, or as the table that write makes.
func (o *options) show(s streams, data any, write func(*table)) error {
	if o.form == "json" {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		return enc.Encode(data)
	}
	t := &table{tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)}
	write(t)
	return t.w.Flush()
}

// table writes rows of cells in columns.
type table struct{ w *tabwriter.Writer }

// row writes a row. A cell without text becomes a dash.
func (t *table) row(cells ...any) {
	for i, c := range cells {
		text := printable(fmt.Sprint(c))
		if text == "" {
			text = "-"
		}
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, text)
	}
	fmt.Fprintln(t.w)
}

// line writes a text that belongs to no column.
func (t *table) line(format string, args ...any) {
	_ = t.w.Flush()
	fmt.Fprintln(t.w, printable(fmt.Sprintf(format, args...)))
	_ = t.w.Flush()
}

// notes prints what could not be read. It returns errReported if there is anything.
func notes(s streams, faults []string) error {
	for _, f := range faults {
		fmt.Fprintf(s.err, "NOT READ %s\n", printable(f))
	}
	if len(faults) > 0 {
		return errReported
	}
	return nil
}
