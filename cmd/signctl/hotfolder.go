package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

const hotFolderHelp = `signctl hotfolder check|list|retry|release

Works on the folders of the hot folder. The proxy may run or be stopped. Run it as the user of the proxy. check and
release also work on folders in object storage, with the flags --hot.folder.storage... of the proxy and the identity of
the environment; list and retry do not.

  signctl hotfolder check             check rights, kind of file system, atomic rename, free room and clock
  signctl hotfolder list              print which files wait, are incomplete, are claimed by which instance, or failed
  signctl hotfolder retry RUN         put the documents of a run that failed from the backup folder back into the
                                      input folder; documents that were signed stay
  signctl hotfolder release ORDINAL   give the claims of an instance back to the input folder, so that other instances
                                      sign the files. The instance must be stopped. It may have signed files already
                                      whose results it has not delivered, and these are then signed again.
                                      Files whose delivery has begun stay

On Kubernetes: kubectl exec POD -- /bin/signctl hotfolder list --work /hot \
                 --clients /etc/signstash/clients/client-services-config.json

The exit code is 0 if check finds no fault, and if retry and release have put back everything that they could.
`

// hotFolders are the folders that a command works on, by client service.
type hotFolders struct {
	clients []hotFolderClient
	faults  []string       // what is wrong with the configuration
	stores  *bucket.Stores // for the folders in object storage; nil = there are none

	work       string
	configured []string // folders of all client services, also of those that are not selected
}

type hotFolderClient struct {
	id  string
	cfg directory.Config
	// places are the folders in object storage; nil = they are local
	places *bucket.Places
	stores *bucket.Stores
}

// hotFolderFlags are the flags of all subcommands.
type hotFolderFlags struct {
	work, clients, client, layout, ignore, form string
	files, runs                                 int
	force                                       bool

	storage  bucket.Settings
	outbound outbound.Settings
}

func (f *hotFolderFlags) declare(fs *flag.FlagSet, env func(string) string) {
	work := "./work"
	if env("SIGNSTASH_CONTAINER") != "" {
		work = "/home"
	}
	layout := cmp.Or(env("HOT_FOLDER_LAYOUT"), "runs")
	ignore := cmp.Or(env("HOT_FOLDER_IGNORE"), strings.Join(hotfolder.DefaultIgnored, ","))
	fs.StringVar(&f.work, "work", cmp.Or(env("WORK_FOLDER"), work), "the work `folder` of the proxy; also WORK_FOLDER")
	fs.StringVar(&f.clients, "clients", env("CLIENT_SERVICES_CONFIG"), "`file` with the client services; also "+
		"CLIENT_SERVICES_CONFIG (default client-services-config.json in the work folder)")
	fs.StringVar(&f.client, "client", "", "work only on the client service with this `id`")
	fs.StringVar(&f.layout, "layout", layout,
		"`layout` of output and backup folders: runs or flat; also HOT_FOLDER_LAYOUT")
	fs.StringVar(&f.ignore, "ignore", ignore,
		"list: `patterns` of names that are not signed; also HOT_FOLDER_IGNORE")
	fs.IntVar(&f.files, "files", 100, "list: examine this `number` of files of each input folder, the oldest ones")
	fs.IntVar(&f.runs, "runs", 100, "list: look for failures in this `number` of runs of each client service, the newest")
	fs.StringVar(&f.form, "o", "table", "list: output `format`: table or json")
	declareStorage(fs, env, &f.storage, &f.outbound)
	fs.BoolVar(&f.force, "force", false, "release: release also if the instance still renews its claims")
}

// runHotFolder runs the subcommands of hotfolder.
func runHotFolder(ctx context.Context, args []string, s streams) error {
	fs := newFlags("hotfolder", hotFolderHelp, s)
	var f hotFolderFlags
	f.declare(fs, s.env)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	command, argument := "", ""
	if len(rest) > 0 {
		command = rest[0]
	}
	want := map[string]int{"check": 1, "list": 1, "retry": 2, "release": 2}[command]
	switch {
	case want == 0 || len(rest) != want:
		return usageError{errors.New("want: hotfolder check, list, retry RUN or release ORDINAL")}
	case want == 2:
		argument = rest[1]
	}
	if f.layout != "runs" && f.layout != "flat" {
		return usageError{fmt.Errorf("--layout must be runs or flat, not %q", f.layout)}
	}
	if f.form != "table" && f.form != "json" {
		return usageError{fmt.Errorf("-o must be table or json, not %q", f.form)}
	}
	if f.files < 1 || f.runs < 1 {
		return usageError{errors.New("--files and --runs must be 1 or more")}
	}
	folders, err := f.open()
	if err != nil {
		return err
	}
	if command == "list" || command == "retry" {
		folders = folders.onlyLocal(command)
	}
	switch command {
	case "check":
		return checkHotFolders(ctx, folders, s)
	case "list":
		return listHotFolders(ctx, folders, f, s)
	case "retry":
		return retryRun(ctx, folders, argument, s)
	}
	return releaseClaims(ctx, folders, argument, f.force, s)
}

// open reads the client services and returns their folders.
func (f *hotFolderFlags) open() (hotFolders, error) {
	file := cmp.Or(f.clients, filepath.Join(f.work, clientservice.FileName))
	services, err := clientservice.ReadFile(file)
	if err != nil {
		return hotFolders{}, err
	}
	if f.client != "" && services.Lookup(f.client) == nil {
		return hotFolders{}, fmt.Errorf("%s has no client service %q", file, f.client)
	}
	faults := hotfolder.Faults(services)
	list := hotFolders{work: f.work}
	for c := range services.All() {
		for _, folder := range []string{c.InputFolder, c.OutputFolder, c.BackupFolder} {
			if folder != "" && !bucket.IsURL(folder) {
				list.configured = append(list.configured, folder)
			}
		}
		if f.client != "" && c.ID != f.client || c.InputFolder+c.OutputFolder+c.BackupFolder == "" {
			continue
		}
		inStore := slices.ContainsFunc([]string{c.InputFolder, c.OutputFolder, c.BackupFolder}, bucket.IsURL)
		err := faults[c.ID]
		if err == nil && inStore {
			err = list.addBucket(c, f)
		}
		switch {
		case err != nil:
			list.faults = append(list.faults, c.ID+": "+err.Error())
		case !inStore:
			list.clients = append(list.clients, hotFolderClient{id: c.ID, cfg: directory.Config{
				Work: f.work, Input: c.InputFolder, Output: c.OutputFolder, Backup: c.BackupFolder,
				Flat: f.layout == "flat",
			}})
		}
	}
	if len(list.clients)+len(list.faults) == 0 {
		return list, fmt.Errorf("no client service in %s has a hot folder", file)
	}
	return list, nil
}

// report prints what is wrong with the configuration, and returns an error if something is.
func (h hotFolders) report(s streams) error {
	for _, fault := range h.faults {
		fmt.Fprintln(s.err, "FAULT", printable(fault))
	}
	if len(h.faults) > 0 {
		return errReported
	}
	return nil
}

// checkHotFolders prints the findings of all folders.
func checkHotFolders(ctx context.Context, h hotFolders, s streams) error {
	result := h.report(s)
	for _, c := range h.clients {
		findings, err := c.check(ctx)
		if err != nil {
			fmt.Fprintln(s.err, "FAULT", printable(c.id+": "+err.Error()))
			result = errReported
			continue
		}
		for _, f := range findings {
			line := printable(fmt.Sprintf("%s: %s folder, %s: %s", c.id, f.Folder, f.What, f.Detail))
			if f.OK {
				fmt.Fprintln(s.out, "OK", line)
				continue
			}
			fmt.Fprintln(s.err, "FAULT", line)
			result = errReported
		}
	}
	return result
}
