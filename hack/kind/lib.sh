# The other scripts in this folder source this file. It is not a command.
kind_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(git -C "$kind_dir" rev-parse --show-toplevel 2>/dev/null || dirname "$kind_dir")
. "$kind_dir/versions.env"

work_dir=${KIND_WORK_DIR:-${TMPDIR:-/var/tmp}/kind-local}
cluster=${KIND_CLUSTER:-e2e}
k8s_dir=${K8S_MODULE_DIR:-$kind_dir/../envtest}
k8s_bin=${ENVTEST_DIR:-$top_dir/bin/k8s}            # the programs of Kubernetes, including those that the controller's tests use
export GOWORK=off

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# install_go NAME PACKAGE@VERSION DIR builds a static binary, unless this version exists already
install_go() {
  local name=$1 pkg=$2 dir=$3
  mkdir -p "$dir"
  [ "$(cat "$dir/.$name.stamp" 2>/dev/null)" = "$pkg $(go env GOVERSION)" ] && [ -x "$dir/$name" ] && return
  say "go install $pkg"
  GOFLAGS= CGO_ENABLED=0 GOBIN="$dir" go install -ldflags "-s -w" "$pkg"
  echo "$pkg $(go env GOVERSION)" >"$dir/.$name.stamp"
}

docker_up() { docker info >/dev/null 2>&1; }
