package image

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// File is a file or a folder of an image or an archive.
type File struct {
	// Name is the path without a leading slash. The name of a folder ends in a slash.
	Name string
	// Mode holds the permission bits as tar knows them, such as 0o1777.
	Mode int64
	// Content is the content of a file. If it is nil, the file has the content of Path.
	Content []byte
	Path    string
}

// withFolders returns files with the folders that contain them, sorted by name. Nobody but root may
// write to these folders.
func withFolders(files []File) []File {
	all := map[string]File{}
	for _, f := range files {
		for dir := path.Dir(strings.TrimSuffix(f.Name, "/")); dir != "."; dir = path.Dir(dir) {
			if _, ok := all[dir+"/"]; !ok {
				all[dir+"/"] = File{Name: dir + "/", Mode: 0o755}
			}
		}
		all[f.Name] = f
	}
	sorted := make([]File, 0, len(all))
	for _, f := range all {
		sorted = append(sorted, f)
	}
	slices.SortFunc(sorted, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}

// WriteTarGz writes an archive of files and of the folders that contain them. Equal files give
// equal bytes: entries are sorted, belong to root, and have the given time.
func WriteTarGz(w io.Writer, files []File, at time.Time) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := writeTar(zipped, withFolders(files), at); err != nil {
		return err
	}
	return zipped.Close()
}

func writeTar(w io.Writer, files []File, at time.Time) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		if err := f.write(out, at); err != nil {
			return err
		}
	}
	return out.Close()
}

func (f File) write(out *tar.Writer, at time.Time) error {
	head := &tar.Header{Name: f.Name, Mode: f.Mode, ModTime: at, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
	if strings.HasSuffix(f.Name, "/") {
		head.Typeflag = tar.TypeDir
		return out.WriteHeader(head)
	}
	content := f.Content
	if content == nil {
		var err error
		if content, err = os.ReadFile(f.Path); err != nil {
			return err
		}
	}
	head.Size = int64(len(content))
	if err := out.WriteHeader(head); err != nil {
		return err
	}
	_, err := out.Write(content)
	return err
}
