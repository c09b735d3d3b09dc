package remotetoken

// ParseKeys returns how many keys a set has.
func ParseKeys(body []byte) (int, error) {
	all, err := parseKeys(body)
	return len(all), err
}
