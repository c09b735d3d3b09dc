// Package config is every setting of the proxy: what it is for, its default, where it may be given,
// and what is wrong with it.
//
// A setting is given as a flag (--name=value), as an environment variable (the name in upper case,
// with _ for . and -) or as a key of the YAML file named by --config, flat or nested; the first of
// these that gives it decides, else the default. An empty value counts as not given, so that VAR=
// in a compose file or a template does no harm. Secrets are never settings: where one is needed,
// the setting names a file.
//
// Load reports all mistakes at once. Help and Reference are made from the same declarations, in
// settings_*.go.
package config
