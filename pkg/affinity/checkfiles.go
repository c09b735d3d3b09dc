package affinity

import (
	"errors"
	"fmt"
)

// CheckFiles returns what is wrong with the endpoint file and the peers file of c as they are now.
// A missing or empty file is valid, because nobody may have written it yet. Files tolerates a
// broken file, because a later version may be good.
func CheckFiles(c FilesConfig) error {
	c.Registerer = nil
	f, err := NewFiles(c)
	if err != nil {
		return err
	}
	check := func(path string, decode func([]byte) error) error {
		if path == "" {
			return nil
		}
		data, err := readMounted(path)
		if err == nil {
			err = decode(data)
		}
		if err != nil {
			return fmt.Errorf("read affinity file %s: %w", path, err)
		}
		return nil
	}
	return errors.Join(
		check(c.EndpointFile, func(data []byte) error { _, err := f.decodeEndpoint(data); return err }),
		check(c.PeersFile, func(data []byte) error { _, err := f.decodeDirectory(data); return err }),
	)
}
