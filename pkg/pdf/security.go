package pdf

import "github.com/signstash-proxy/signstash-proxy/pkg/signing"

// standard is the encryption dictionary of the standard security handler (ISO 32000-2 table 21).
type standard struct {
	version, revision int64
	keyBytes          int
	owner, user       string // /O and /U
	userKey           string // /UE
	permissions       uint32
	id                string
	encryptMetadata   bool
}

// securityReader reads the encryption dictionary of a file. It lives only during Open.
type securityReader struct {
	resolver
	trailer *Dict
}

// read returns the decryption that the trailer asks for; nil if the file is not encrypted.
func (r *securityReader) read() (*crypt, error) {
	o := r.trailer.Get("Encrypt")
	if o == nil {
		return nil, nil
	}
	dict, err := r.Dict(o)
	if err != nil {
		return nil, err
	}
	if dict == nil {
		return nil, damaged("its encryption dictionary is missing")
	}
	if filter, err := r.Name(dict.Get("Filter")); err != nil {
		return nil, err
	} else if filter != "Standard" {
		return nil, signing.Errorf(signing.KindEncrypted, "PDF is encrypted by an unknown security handler")
	}
	var id String
	if ids, err := r.Array(r.trailer.Get("ID")); err != nil {
		return nil, err
	} else if len(ids) > 0 {
		id, _ = ids[0].(String)
	}
	c, err := r.standard(dict, id.Value)
	if err != nil {
		return nil, err
	}
	c.dict, _ = o.(Ref)
	return c, nil
}

func (r *securityReader) standard(dict *Dict, id string) (*crypt, error) {
	s, err := r.parameters(dict)
	if err != nil {
		return nil, err
	}
	s.id = id
	c := &crypt{encryptMetadata: s.encryptMetadata, permissions: s.permissions}
	switch {
	case s.version == 1 || s.version == 2:
		c.strings, c.streams = cipherRC4, cipherRC4
	case s.version == 4 || s.version == 5:
		if err := r.cryptFilters(dict, c); err != nil {
			return nil, err
		}
	default:
		return nil, unsupported("its encryption is of version %d", s.version)
	}
	if s.revision >= 5 {
		c.key, err = s.key256()
	} else {
		c.key, err = s.key128()
	}
	return c, err
}

func (r *securityReader) parameters(dict *Dict) (standard, error) {
	var s standard
	var length, permissions int64
	for _, f := range []struct {
		key       Name
		to        *int64
		otherwise int64
	}{{"V", &s.version, 0}, {"R", &s.revision, 0}, {"Length", &length, 40}, {"P", &permissions, 0}} {
		var err error
		if *f.to, err = r.Int(dict.Get(f.key), f.otherwise); err != nil {
			return s, err
		}
	}
	for _, f := range []struct {
		key Name
		to  *string
	}{{"O", &s.owner}, {"U", &s.user}, {"UE", &s.userKey}} {
		v, err := r.Get(dict.Get(f.key))
		if err != nil {
			return s, err
		}
		str, _ := v.(String)
		*f.to = str.Value
	}
	s.permissions = uint32(permissions)
	meta, err := r.Get(dict.Get("EncryptMetadata"))
	if err != nil {
		return s, err
	}
	s.encryptMetadata = meta != false
	switch {
	case s.revision < 2 || s.revision > 6:
		return s, unsupported("its encryption is of revision %d", s.revision)
	case s.revision >= 5 != (s.version == 5):
		return s, damaged("version and revision of its encryption do not match")
	case s.revision >= 5 && (len(s.user) < 48 || len(s.userKey) < 32),
		s.revision < 5 && (len(s.user) < 32 || len(s.owner) < 32):
		return s, damaged("its encryption dictionary is incomplete")
	case s.version == 1:
		length = 40
	case s.version == 4:
		length = 128
	}
	if s.version < 5 && (length < 40 || length > 128 || length%8 != 0) {
		return s, damaged("its encryption key has a wrong length")
	}
	s.keyBytes = int(length / 8)
	return s, nil
}

// cryptFilters reads /CF, /StmF and /StrF (ISO 32000-2 7.6.6).
func (r *securityReader) cryptFilters(dict *Dict, c *crypt) error {
	all, err := r.DictAt(dict, "CF")
	if err != nil {
		return err
	}
	c.filters = map[Name]cipherMethod{}
	for name, o := range all.All() {
		filter, err := r.Dict(o)
		if err != nil {
			return err
		}
		method, err := r.Name(filter.Get("CFM"))
		if err != nil {
			return err
		}
		switch method {
		case "V2":
			c.filters[name] = cipherRC4
		case "AESV2":
			c.filters[name] = cipherAES
		case "AESV3":
			c.filters[name] = cipherAES256
		case "", "None":
			c.filters[name] = cipherNone
		default:
			return unsupported("its encryption has an unknown method")
		}
	}
	c.filters["Identity"] = cipherNone
	for _, f := range []struct {
		key Name
		to  *cipherMethod
	}{{"StmF", &c.streams}, {"StrF", &c.strings}} {
		name, err := r.Name(dict.Get(f.key))
		if err != nil {
			return err
		}
		if name == "" {
			name = "Identity"
		}
		method, ok := c.filters[name]
		if !ok {
			return damaged("its encryption names a missing crypt filter")
		}
		*f.to = method
	}
	return nil
}
