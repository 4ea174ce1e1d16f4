#!/bin/sh
# A worker on a node of a Slurm cluster: `sbatch pipelines/deploy/slurm.sh gpus`, in a clone with bin/setup done.
#
# PREFECT_API_URL and PREFECT_API_AUTH_STRING must be set where you call sbatch, which passes the environment on. Slurm ends
# a job at its time limit: it is told two minutes before, so that a training saves, and another worker goes on with it.
#SBATCH --job-name=pixelproof
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=pixelproof-%j.log
set -eu

pool=${1:?name the work pool: sbatch pipelines/deploy/slurm.sh POOL}
: "${PREFECT_API_URL:?set it to the address of the server that the machines share}"

# The shell waits beside the worker, so that it can pass the signal on.
bin/pixelproof work "$pool" &
worker=$!
trap 'kill -TERM "$worker"' TERM INT
status=0
wait "$worker" || status=$?
if [ "$status" -gt 128 ] && kill -0 "$worker" 2>/dev/null; then # by the signal, and not by the worker's end
    status=0
    wait "$worker" || status=$?
fi
exit "$status"
