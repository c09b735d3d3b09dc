// Package config declares and reads all settings of the proxy.
//
// A setting can be given as a flag (--name=value), as an environment variable (the name in upper
// case, with _ for . and -), or as a key of the YAML file that --config names, flat or nested. The
// first of these that gives a value wins; otherwise the default applies. An empty value counts as
// not given, so that VAR= in a compose file or a template does no harm. A setting never holds a
// secret: it names a file that does.
//
// Load reports all mistakes at once. settings_*.go declares the settings, and Help and Reference
// are made from these declarations.
package config
