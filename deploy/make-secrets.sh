#!/bin/sh
# Makes the secrets that docker-compose.yml reads, once: files that are there stay as they are.
set -eu
umask 077
cd "$(dirname "$0")"

# The folder is closed to others; the files in it are readable, for the containers' users are not the one who runs this.
mkdir -p secrets
chmod 700 secrets
cd secrets
echo '*' > .gitignore

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

keep() { # keep NAME CONTENT
    if [ -s "$1" ]; then
        echo "kept  deploy/secrets/$1"
    else
        printf '%s\n' "$2" > "$1"
        chmod 444 "$1"
        echo "made  deploy/secrets/$1"
    fi
}

keep secret_key "$(random 48)"
keep database_password "$(random 32)"
keep database_url "postgresql://terroir:$(cat database_password)@db:5432/terroir"
keep store_access_key "$(random 10)"
keep store_secret_key "$(random 32)"
keep store_credentials "[default]
aws_access_key_id = $(cat store_access_key)
aws_secret_access_key = $(cat store_secret_key)"
keep ray_token "$(random 32)"
