package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// declareStorage declares the settings of object storage with the names that they have in the
// proxy, as a flag and in the environment.
func declareStorage(fs *flag.FlagSet, env func(string) string, s *bucket.Settings, o *outbound.Settings) {
	const prefix = "hot.folder.storage."
	variable := func(name string) string {
		return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(prefix + name))
	}
	for _, f := range []struct {
		to         *string
		name, help string
	}{
		{&s.Endpoint, "endpoint", "object storage: its `URL`"},
		{&s.Region, "region", "object storage: the `region` of an S3 bucket"},
		{&s.CAFile, "ca-file", "object storage: PEM `file` with its certificate authorities"},
		{&s.CredentialsFile, "credentials-file", "object storage: `file` with the credentials"},
	} {
		fs.StringVar(f.to, prefix+f.name, env(variable(f.name)), f.help+"; also "+variable(f.name))
	}
	for _, f := range []struct {
		to         *bool
		name, help string
	}{
		{&s.PathStyle, "path-style", "object storage: the bucket is in the path of the URL"},
		{&s.Direct, "direct", "object storage: call it without the HTTP proxy"},
	} {
		fs.BoolVar(f.to, prefix+f.name, strings.EqualFold(env(variable(f.name)), "true"), f.help+"; also "+variable(f.name))
	}
	const proxy = "einvoice-integration-client.rest.provider.proxy."
	fs.StringVar(&o.ProxyHost, proxy+"hostname", "", "object storage: `host` of the HTTP proxy")
	fs.IntVar(&o.ProxyPort, proxy+"port", 0, "object storage: `port` of the HTTP proxy")
}

// addBucket adds the folders of a client service in object storage.
func (h *hotFolders) addBucket(c *clientservice.ClientService, f *hotFolderFlags) error {
	places, err := bucket.ParsePlaces(c.InputFolder, c.OutputFolder, c.BackupFolder)
	if err != nil {
		return err
	}
	if h.stores == nil {
		h.stores, err = bucket.New(bucket.Config{Settings: f.storage, Outbound: f.outbound, Log: logr.Discard()})
		if err != nil {
			return err
		}
	}
	h.clients = append(h.clients, hotFolderClient{
		id: c.ID, places: &places, stores: h.stores, cfg: directory.Config{Flat: f.layout == "flat"},
	})
	return nil
}

// onlyLocal leaves out folders in object storage, and names them as faults.
func (h hotFolders) onlyLocal(command string) hotFolders {
	local := h
	local.clients = nil
	for _, c := range h.clients {
		if c.places != nil {
			local.faults = append(local.faults,
				fmt.Sprintf("%s: its folders are in object storage, where %s does not work", c.id, command))
			continue
		}
		local.clients = append(local.clients, c)
	}
	return local
}

// bucketFolder opens the folders in object storage in the place of an instance.
func (c hotFolderClient) bucketFolder() (*bucket.Folder, error) {
	return c.stores.Folder(bucket.FolderConfig{Places: *c.places, Ordinal: c.cfg.Ordinal, Flat: c.cfg.Flat})
}

// check examines the folders.
func (c hotFolderClient) check(ctx context.Context) ([]hotfolder.Finding, error) {
	if c.places == nil {
		return directory.Check(ctx, c.cfg)
	}
	f, err := c.bucketFolder()
	if err != nil {
		return nil, err
	}
	return f.Check(ctx), nil
}

// owners returns the instances that hold claims.
func (c hotFolderClient) owners(ctx context.Context) ([]hotfolder.Owner, error) {
	if c.places == nil {
		v, err := directory.Look(c.cfg)
		if err != nil {
			return nil, err
		}
		return v.Owners()
	}
	f, err := c.bucketFolder()
	if err != nil {
		return nil, err
	}
	return f.Owners(ctx)
}

// openAs opens the folders in the place of an instance, in order to change its claims.
func (c hotFolderClient) openAs() (hotfolder.Storage, error) {
	if c.places == nil {
		return directory.OpenAs(c.cfg)
	}
	return c.bucketFolder()
}
