package affinity

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

const (
	// MaxInstances is the largest number of instances. An operation id has ten bits for the ordinal.
	MaxInstances = 1024
	// maxFileBytes is the size limit of a ConfigMap.
	maxFileBytes = 1 << 20
	// maxNameBytes is the length of the longest DNS name. It bounds names, hosts and identities.
	maxNameBytes = 253
)

// EncodePublished returns the value of EndpointAnnotation. Equal endpoints give equal bytes. It
// returns an error if p is not valid.
func EncodePublished(p Published) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("encode endpoint: %w", err)
	}
	return json.Marshal(p)
}

// DecodePublished reads the value of EndpointAnnotation. It ignores unknown keys, because a later
// release may have written them.
func DecodePublished(data []byte) (Published, error) {
	var p Published
	err := json.Unmarshal(data, &p)
	if err == nil {
		err = p.validate()
	}
	if err != nil {
		return Published{}, fmt.Errorf("decode endpoint: %w", err)
	}
	return p, nil
}

// EncodeDirectory returns the value of DirectoryKey. Equal directories give equal bytes, whatever
// the order of the endpoints is. It returns an error if d is not valid.
func EncodeDirectory(d Directory) ([]byte, error) {
	d.Endpoints = slices.Clone(d.Endpoints)
	slices.SortFunc(d.Endpoints, func(a, b Published) int { return a.Ordinal - b.Ordinal })
	if d.Endpoints == nil {
		d.Endpoints = []Published{}
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("encode directory: %w", err)
	}
	return json.MarshalIndent(d, "", "  ")
}

// DecodeDirectory reads the value of DirectoryKey. It ignores unknown keys, because a later release
// may have written them.
func DecodeDirectory(data []byte) (Directory, error) {
	var d Directory
	err := json.Unmarshal(data, &d)
	if err == nil {
		err = d.validate()
	}
	if err != nil {
		return Directory{}, fmt.Errorf("decode directory: %w", err)
	}
	return d, nil
}

func (p *Published) validate() error {
	if p.Ordinal < 0 || p.Ordinal >= MaxInstances {
		return fmt.Errorf("ordinal %d is not between 0 and %d", p.Ordinal, MaxInstances-1)
	}
	if p.Name == "" || len(p.Name) > maxNameBytes || len(p.Instance) > maxNameBytes {
		return fmt.Errorf("name or instance of ordinal %d is missing or too long", p.Ordinal)
	}
	if _, _, err := hostport.Parse(p.endpoint().HostPort()); err != nil {
		return fmt.Errorf("host and port of %s: %w", p.Name, err)
	}
	if _, _, err := hostport.Parse(p.Internal); p.Internal != "" && err != nil {
		return fmt.Errorf("internal address of %s: %w", p.Name, err)
	}
	return nil
}

func (p *Published) endpoint() Endpoint {
	return Endpoint{Name: p.Name, Ordinal: p.Ordinal, Host: p.Host, Port: p.Port}
}

func (d *Directory) validate() error {
	if d.Expected < 0 || d.Expected > MaxInstances || d.Ever < 0 || d.Ever > MaxInstances ||
		d.Stopped < 0 || d.Stopped > MaxInstances || len(d.Endpoints) > MaxInstances {
		return fmt.Errorf("a number of instances is negative or above %d", MaxInstances)
	}
	for ordinal := range d.Removals {
		if ordinal < 0 || ordinal >= MaxInstances {
			return fmt.Errorf("removals: ordinal %d is not between 0 and %d", ordinal, MaxInstances-1)
		}
	}
	last := -1
	for i := range d.Endpoints {
		e := &d.Endpoints[i]
		if err := e.validate(); err != nil {
			return err
		}
		if e.Ordinal <= last {
			return errors.New("the endpoints are not ordered by ordinal, or an ordinal occurs twice")
		}
		last = e.Ordinal
	}
	return nil
}

// find returns the endpoint of an ordinal, and false if the directory has none.
func (d *Directory) find(ordinal int) (Published, bool) {
	i, ok := slices.BinarySearchFunc(d.Endpoints, ordinal, func(e Published, want int) int { return e.Ordinal - want })
	if !ok {
		return Published{}, false
	}
	return d.Endpoints[i], true
}
