package build

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// archive is a file to download with programs for a platform.
type archive struct {
	name     string
	platform image.Platform
	programs []string
}

// archives returns the files to download: the proxy and clientPrograms for the platforms of the
// images, and clientPrograms for further ones.
func (r *release) archives() []archive {
	var all []archive
	add := func(name string, p image.Platform, programs []string) {
		extension := ".tar.gz"
		if p.OS == "windows" {
			extension = ".zip"
		}
		all = append(all, archive{name + "_" + r.source.Version + "_" + p.OS + "_" + p.Arch + extension, p, programs})
	}
	for _, p := range r.Platforms {
		add("signstash-proxy", p, append([]string{"cmd/proxy"}, clientPrograms...))
	}
	for _, p := range r.Clients {
		add("signctl", p, clientPrograms)
	}
	return all
}

func (r *release) addArchives() error {
	for _, a := range r.archives() {
		if err := r.addArchive(a); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) addArchive(a archive) error {
	files := []image.File{{Name: "LICENSE", Mode: 0o644, Path: filepath.Join(r.Top, "LICENSE")}}
	var programs []statement.Program
	for _, program := range a.programs {
		built := programFile(r.programs, program, a.platform)
		name := filepath.Base(built)
		files = append(files, image.File{Name: name, Mode: 0o755, Path: built})
		programs = append(programs, statement.Program{Path: built, Name: name, Platform: a.platform.String()})
	}
	var content bytes.Buffer
	write := image.WriteTarGz
	if path.Ext(a.name) == ".zip" {
		write = writeZip
	}
	if err := write(&content, files, r.source.At); err != nil {
		return err
	}
	subject := cdx.Component{BOMRef: a.name, Type: cdx.ComponentTypeFile, Name: a.name, Version: r.source.Version,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: oci.Digest(content.Bytes()).Hex}}}
	bom, err := statement.ProgramsSBOM(subject, programs, r.source.Version, r.source.At)
	if err != nil {
		return err
	}
	sbom, err := statement.Encode(bom)
	if err != nil {
		return err
	}
	if err := r.write(SBOMFolder+"/"+a.name+".cdx.json", sbom); err != nil {
		return err
	}
	return r.addFile(a.name, content.Bytes())
}

// writeZip writes files, which are sorted by name, as a zip archive. Windows opens it without
// further programs.
func writeZip(w io.Writer, files []image.File, at time.Time) error {
	out := zip.NewWriter(w)
	for _, f := range files {
		content, err := os.ReadFile(f.Path)
		if err != nil {
			return err
		}
		head := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at}
		head.SetMode(os.FileMode(f.Mode))
		entry, err := out.CreateHeader(head)
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return out.Close()
}
