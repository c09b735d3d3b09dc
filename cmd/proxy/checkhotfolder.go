package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// clientProviders checks that the provider of each client service is configured.
func (c *checker) clientProviders() error {
	var names []string
	for _, p := range c.proxy.cfg.Providers {
		names = append(names, p.Name)
	}
	configured := cmp.Or(strings.Join(names, ", "), "none")
	var bad []error
	for client := range c.clients() {
		if client.Provider != "" && !slices.Contains(names, client.Provider) {
			bad = append(bad, fmt.Errorf("client service %s: provider %q is not configured; configured are: %s",
				client.ID, client.Provider, configured))
		}
	}
	return errors.Join(bad...)
}

// clients yields the client services of the file; none if it could not be read.
func (c *checker) clients() func(yield func(*clientservice.ClientService) bool) {
	if c.proxy.clients == nil {
		return func(func(*clientservice.ClientService) bool) {}
	}
	return c.proxy.clients.Current().All()
}

// hotFolders checks the folders of all client services, what they ask for, and the credentials for
// object storage. In local folders it writes and removes a small file. It calls no store.
func (c *checker) hotFolders(ctx context.Context) error {
	p := c.proxy
	if !p.cfg.HotFolder.Enabled || p.clients == nil {
		return nil
	}
	stores, err := p.openStores()
	if err != nil {
		return err
	}
	h := &hotFolderChecker{cfg: p.cfg, stores: stores, read: make(map[bucket.Kind]bool)}
	faults := hotfolder.Faults(p.clients.Current())
	for client := range c.clients() {
		if client.InputFolder+client.OutputFolder+client.BackupFolder == "" {
			continue
		}
		h.client = client
		h.level()
		if fault := faults[client.ID]; fault != nil {
			h.add("%w", fault)
			continue
		}
		if inStore(client) {
			h.bucket(ctx)
		} else {
			h.folders(ctx)
		}
	}
	return errors.Join(h.bad...)
}

// hotFolderChecker checks the hot folders of client services.
type hotFolderChecker struct {
	cfg    config.Config
	stores *bucket.Stores
	client *clientservice.ClientService // that is checked
	bad    []error
	read   map[bucket.Kind]bool // the credentials file was read for these kinds

	neighbours directory.Neighbours
}

func (h *hotFolderChecker) add(format string, args ...any) {
	h.bad = append(h.bad, fmt.Errorf("client service %s: %w", h.client.ID, fmt.Errorf(format, args...)))
}

// level checks that type and level of the signatures exist, and that the level can be reached.
func (h *hotFolderChecker) level() {
	info := h.client.SignatureInfo
	if info == nil {
		return
	}
	switch signing.Level(info.Level) {
	case "", signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA:
	default:
		h.add("signatureInfo.level: want one of B-B, B-T, B-LT, B-LTA, not %q", info.Level)
		return
	}
	switch signing.SignatureType(info.SignatureType) {
	case "", signing.PAdES, signing.XAdES, signing.CAdES:
	default:
		h.add("signatureInfo.signatureType: want one of PAdES, XAdES, CAdES, not %q", info.SignatureType)
	}
	if len(h.cfg.Timestamp.Authorities) > 0 {
		return
	}
	const needs = "needs a timestamp authority, and neither --timestamp.urls nor timestamp.authorities names one"
	switch {
	case info.Level != "" && info.Level != string(signing.LevelB):
		h.add("signatureInfo.level %q "+needs, info.Level)
	case info.ApplyTimestamp:
		h.add("signatureInfo.applyTimestamp true " + needs)
	}
}

// folders examines local folders.
func (h *hotFolderChecker) folders(ctx context.Context) {
	findings, err := directory.Check(ctx, directory.Config{
		Work: h.cfg.WorkFolder, Input: h.client.InputFolder, Output: h.client.OutputFolder, Backup: h.client.BackupFolder,
		Group: h.cfg.HotFolder.OutputGroup, Client: h.client.ID, Neighbours: &h.neighbours,
	})
	if err != nil {
		h.add("hot folder: %w", err)
		return
	}
	fields := map[string]string{
		"input": h.client.InputFolder, "output": h.client.OutputFolder, "backup": h.client.BackupFolder,
	}
	for _, f := range findings {
		if !f.OK {
			h.add("%sFolder %q: %s: %s", f.Folder, fields[f.Folder], f.What, f.Detail)
		}
	}
}

// bucket examines what is configured for folders in object storage.
func (h *hotFolderChecker) bucket(ctx context.Context) {
	places, err := bucket.ParsePlaces(h.client.InputFolder, h.client.OutputFolder, h.client.BackupFolder)
	var list interface{ Unwrap() []error }
	switch {
	case errors.As(err, &list):
		for _, one := range list.Unwrap() {
			h.add("%w", one)
		}
		return
	case err != nil:
		h.add("%w", err)
		return
	}
	kind := places.Input.Kind
	if h.read[kind] {
		return
	}
	h.read[kind] = true
	if err := h.stores.CheckCredentials(ctx, kind); err != nil {
		h.bad = append(h.bad, fmt.Errorf("--hot.folder.storage.credentials-file: %w", err))
		return
	}
	if _, err := h.stores.Folder(bucket.FolderConfig{Places: places}); err != nil {
		h.add("inputFolder %w", err)
	}
}
