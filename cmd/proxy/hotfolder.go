package main

import (
	"context"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// openHotFolder makes the engine of hot folders, if they are enabled.
func (p *proxy) openHotFolder(context.Context) error {
	h := p.cfg.HotFolder
	if !h.Enabled {
		return nil
	}
	schedule, err := cron.Parse(h.Cron)
	if err != nil {
		return err
	}
	if p.buckets, err = p.openStores(); err != nil {
		return err
	}
	p.hotFolder, err = hotfolder.New(hotfolder.Config{
		Service:          p.service,
		Clients:          p.clients.Current,
		Open:             p.folderOpener(),
		Abandoned:        p.abandonedFolders,
		Ordinal:          p.cfg.InstanceOrdinal,
		Expected:         p.expected,
		Refusal:          p.stop.refusal,
		Log:              p.log.WithName("hotfolder"),
		Registerer:       p.registry,
		Schedule:         schedule,
		Threshold:        h.Threshold,
		Immediate:        h.Trigger == config.TriggerImmediate,
		MaxWait:          h.MaxWait,
		LockTime:         p.cfg.Signing.Deadline,
		Stability:        h.Stability,
		IncompleteAfter:  h.IncompleteAfter,
		DoneSuffix:       h.DoneSuffix,
		Ignored:          h.Ignored,
		Receipts:         h.Receipts,
		MaxDocumentBytes: p.cfg.Limits.MaxDocumentBytes,
	})
	return err
}

// folderOpener returns the function that opens the hot folders of client services. No folder may be
// used by two of them.
func (p *proxy) folderOpener() func(*clientservice.ClientService) (hotfolder.Storage, error) {
	neighbours := new(directory.Neighbours)
	return func(c *clientservice.ClientService) (hotfolder.Storage, error) { return p.openFolders(c, neighbours) }
}

// abandonedFolders returns the folders with runs that no client service has any more.
func (p *proxy) abandonedFolders(ctx context.Context, services *clientservice.Services) (
	[]hotfolder.Abandoned, error,
) {
	var folders []string
	for c := range services.All() {
		for _, folder := range []string{c.InputFolder, c.OutputFolder, c.BackupFolder} {
			if folder != "" && !bucket.IsURL(folder) {
				folders = append(folders, folder)
			}
		}
	}
	return directory.FindAbandoned(ctx, p.cfg.WorkFolder, folders)
}

// openStores makes the clients of object storage. It calls no store.
func (p *proxy) openStores() (*bucket.Stores, error) {
	return bucket.New(bucket.Config{
		Settings: bucket.Settings(p.cfg.HotFolder.Storage), Outbound: p.cfg.Outbound, Log: p.log.WithName("hotfolder")})
}

// inStore reports whether one of the folders of a client service is in object storage.
func inStore(c *clientservice.ClientService) bool {
	return slices.ContainsFunc([]string{c.InputFolder, c.OutputFolder, c.BackupFolder}, bucket.IsURL)
}

// openFolders opens the hot folder of a client service.
func (p *proxy) openFolders(c *clientservice.ClientService, neighbours *directory.Neighbours) (
	hotfolder.Storage, error,
) {
	h := p.cfg.HotFolder
	if inStore(c) {
		return p.openBucket(c)
	}
	return directory.Open(directory.Config{
		Work:       p.cfg.WorkFolder,
		Input:      c.InputFolder,
		Output:     c.OutputFolder,
		Backup:     c.BackupFolder,
		Client:     c.ID,
		Ordinal:    p.cfg.InstanceOrdinal,
		Flat:       h.Layout == config.LayoutFlat,
		Mode:       h.OutputMode,
		Group:      h.OutputGroup,
		Neighbours: neighbours,
		Log:        p.log.WithName("hotfolder").WithValues("clientService", c.ID),
	})
}

// openBucket opens a hot folder in object storage.
func (p *proxy) openBucket(c *clientservice.ClientService) (hotfolder.Storage, error) {
	places, err := bucket.ParsePlaces(c.InputFolder, c.OutputFolder, c.BackupFolder)
	if err != nil {
		return nil, err
	}
	return p.buckets.Folder(bucket.FolderConfig{
		Places: places, Ordinal: p.cfg.InstanceOrdinal, Flat: p.cfg.HotFolder.Layout == config.LayoutFlat})
}

// expected reports whether the instance with an ordinal exists or may come back. Without a list of
// instances, all may.
func (p *proxy) expected(ordinal int) bool {
	d, known := p.instances.files.Directory()
	n := max(d.Expected, d.Stopped)
	return !known || p.cfg.Affinity.PeersFile == "" || n == 0 || ordinal < n
}
