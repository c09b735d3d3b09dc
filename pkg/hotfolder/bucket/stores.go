package bucket

import (
	"errors"
	"fmt"
	"sync"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// Config is what New needs.
type Config struct {
	Settings
	// Outbound are the proxy and the certificate authorities of all outgoing calls.
	Outbound outbound.Settings
	Log      logr.Logger
}

// Stores opens folders in object storage. All folders share its connections and credentials. It is
// safe for concurrent use.
type Stores struct {
	cfg      Config
	patience patience
	http     httpClient
	buffers  buffers

	mu     sync.Mutex
	opened map[Place]store // by kind and bucket
}

// New returns Stores. It calls no store.
func New(cfg Config) (*Stores, error) {
	if err := errors.Join(cfg.Settings.Validate(), cfg.Outbound.Validate()); err != nil {
		return nil, err
	}
	client, err := newHTTPClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("object storage: %w", err)
	}
	return &Stores{cfg: cfg, patience: usual, http: client, buffers: newBuffers(), opened: make(map[Place]store)}, nil
}

// FolderConfig describes the folders of one client service.
type FolderConfig struct {
	Places
	// Ordinal of this instance.
	Ordinal int
	// Flat puts files into output and backup folder themselves, without a sub-folder for each run.
	Flat bool
}

// Folder returns the folders of one client service. It makes no call: use Check for that.
func (s *Stores) Folder(cfg FolderConfig) (*Folder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opened, err := s.open(Place{Kind: cfg.Input.Kind, Bucket: cfg.Input.Bucket})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Input, err)
	}
	return newFolder(opened, paths{Places: cfg.Places, flat: cfg.Flat}, cfg.Ordinal, s.cfg.Log), nil
}

// open returns the store of a bucket.
func (s *Stores) open(at Place) (store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if opened, found := s.opened[at]; found {
		return opened, nil
	}
	open := map[Kind]func(string) (store, error){S3: s.openS3, GCS: s.openGCS, Azure: s.openAzure}[at.Kind]
	if open == nil {
		return nil, fmt.Errorf("object storage with the scheme %s is not supported yet", at.Kind)
	}
	opened, err := open(at.Bucket)
	if err != nil {
		return nil, err
	}
	s.opened[at] = opened
	return opened, nil
}
