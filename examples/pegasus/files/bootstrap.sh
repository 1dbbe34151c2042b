#!/bin/bash
# Sets the control node up, once, by a person who knows the passphrase.
set -eu
. /etc/ansible-runner/environment.sh
test ! -e "$WORKSPACE_PATH"
eval "$(ssh-agent)"
ssh-add
git clone "$PROJECT_REPOSITORY_URL" "$PROJECT_PATH"
git clone "$VAULT_REPOSITORY_URL" "$VAULT_PATH"
ansible-galaxy install -r "$PROJECT_PATH/requirements.yml"
