package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// hotFolderRow is a line of hotfolder list.
type hotFolderRow struct {
	Client     string `json:"clientService"`
	State      string `json:"state"` // waiting, incomplete, irregular, claimed, failed or abandoned
	Name       string `json:"name,omitempty"`
	Instance   *int   `json:"instance,omitempty"`
	Files      int    `json:"files"`
	AgeSeconds int64  `json:"ageSeconds"`
	Detail     string `json:"detail,omitempty"`
}

// listHotFolders prints what is in the folders.
func listHotFolders(ctx context.Context, h hotFolders, f hotFolderFlags, s streams) error {
	result := h.report(s)
	rows := []hotFolderRow{}
	for _, c := range h.clients {
		l := hotFolderLister{client: c.id, files: f.files, runs: f.runs, now: time.Now()}
		l.ignored = strings.Split(f.ignore, ",")
		err := l.list(ctx, c.cfg)
		rows = append(rows, l.rows...)
		if err != nil {
			fmt.Fprintln(s.err, "FAULT", printable(c.id+": "+err.Error()))
			result = errReported
		}
	}
	abandoned, err := h.abandoned(ctx, f.client)
	if rows = append(rows, abandoned...); err != nil {
		fmt.Fprintln(s.err, "FAULT", printable(err.Error()))
		result = errReported
	}
	if f.form == "json" {
		return errors.Join(json.NewEncoder(s.out).Encode(rows), result)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT SERVICE\tSTATE\tRUN OR FILE\tINSTANCE\tFILES\tAGE\tDETAIL")
	for _, r := range rows {
		instance := "-"
		if r.Instance != nil {
			instance = fmt.Sprint(*r.Instance)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", printable(r.Client), r.State, printable(cmp.Or(r.Name, "-")),
			instance, r.Files, time.Duration(r.AgeSeconds)*time.Second, printable(r.Detail))
	}
	return errors.Join(w.Flush(), result)
}

// abandoned lists the folders with runs that no client service has any more. client selects those
// of one client service; empty = all.
func (h hotFolders) abandoned(ctx context.Context, client string) (rows []hotFolderRow, err error) {
	list, err := directory.FindAbandoned(ctx, h.work, h.configured)
	for _, a := range list {
		if client == "" || client == a.ClientService {
			rows = append(rows, hotFolderRow{
				Client: a.ClientService, State: "abandoned", Name: a.Folder,
				Detail: fmt.Sprintf("%d runs, on which nobody works until it is an input folder again", a.Runs),
			})
		}
	}
	return rows, err
}

// hotFolderLister collects the rows of one client service.
type hotFolderLister struct {
	client      string
	files, runs int
	ignored     []string
	now         time.Time
	rows        []hotFolderRow
}

func (l *hotFolderLister) age(t time.Time) int64 { return max(int64(l.now.Sub(t)/time.Second), 0) }

func (l *hotFolderLister) add(r hotFolderRow) {
	r.Client = l.client
	l.rows = append(l.rows, r)
}

func (l *hotFolderLister) list(ctx context.Context, cfg directory.Config) error {
	v, err := directory.Look(cfg)
	if err != nil {
		return err
	}
	if err := l.input(ctx, v); err != nil {
		return err
	}
	if err := l.claims(ctx, v); err != nil {
		return err
	}
	failed, err := v.Failures(ctx, l.runs)
	for _, r := range failed {
		l.add(hotFolderRow{
			State: "failed", Name: r.ID, Files: r.Files, AgeSeconds: l.age(r.When), Detail: strings.TrimSpace(r.First),
		})
	}
	return err
}

// input lists the input folder: how many files wait, and which of the oldest are incomplete.
func (l *hotFolderLister) input(ctx context.Context, v directory.View) error {
	waiting := hotFolderRow{State: "waiting"}
	var oldest []hotfolder.Entry
	for e, err := range v.List(ctx) {
		switch {
		case err != nil:
			return err
		case hotfolder.IsSidecar(e.Name) || hotfolder.Ignored(e.Name, l.ignored):
		case e.Irregular != "":
			if l.add(hotFolderRow{State: "irregular", Name: e.Name, Files: 1, Detail: e.Irregular}); len(l.rows) > 2*l.files {
				l.rows = l.rows[:2*l.files]
			}
		default:
			waiting.Files++
			if oldest = append(oldest, e); len(oldest) >= 2*l.files {
				oldest = l.oldestOf(oldest)
			}
		}
	}
	oldest = l.oldestOf(oldest)
	if len(oldest) > 0 {
		waiting.AgeSeconds = l.age(oldest[0].Modified)
		waiting.Detail = "the age is that of the oldest file"
	}
	l.add(waiting)
	for _, e := range oldest {
		what, err := incomplete(v, e)
		if errors.Is(err, hotfolder.ErrGone) || errors.Is(err, hotfolder.ErrChanged) {
			continue
		}
		if err != nil {
			what = err.Error()
		}
		if what != "" {
			l.add(hotFolderRow{State: "incomplete", Name: e.Name, Files: 1, AgeSeconds: l.age(e.Modified), Detail: what})
		}
	}
	return nil
}

func (l *hotFolderLister) oldestOf(list []hotfolder.Entry) []hotfolder.Entry {
	slices.SortFunc(list, func(a, b hotfolder.Entry) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(len(list), l.files)]
}

// incomplete returns what a file lacks; empty = nothing.
func incomplete(v directory.View, e hotfolder.Entry) (string, error) {
	if e.Size == 0 {
		return "it is empty", nil
	}
	f, err := v.Open(e)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if err := f.Unchanged(); err != nil {
		return "", err
	}
	ends, err := hotfolder.HasEnd(f)
	if err != nil || ends {
		return "", err
	}
	return "it begins like a PDF or XML document and has no end", nil
}

// claims lists the runs of all instances.
func (l *hotFolderLister) claims(ctx context.Context, v directory.View) error {
	owners, err := v.Owners()
	if err != nil {
		return err
	}
	slices.SortFunc(owners, func(a, b hotfolder.Owner) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for _, o := range owners {
		held, err := v.Held(ctx, o.Ordinal)
		if err != nil {
			return err
		}
		for _, run := range held {
			row := hotFolderRow{State: "claimed", Name: run.ID, Instance: &o.Ordinal, Files: run.Files}
			if !run.Since.IsZero() {
				row.AgeSeconds = l.age(run.Since)
			}
			row.Detail = fmt.Sprintf("%d are being delivered; the instance renewed its claims %s ago",
				run.Delivered, o.Silent.Round(time.Second))
			l.add(row)
		}
	}
	return nil
}
