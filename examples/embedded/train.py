#!/usr/bin/env python3
"""Trains the embedded example network on drawn images and writes it as safetensors.

Commands, from the root of the repository (Debian 12; about five minutes of one free core):

    apt-get install -y g++ libcli11-dev libstb-dev python3-torch
    g++ -std=c++20 -O2 examples/embedded/draw_images.cpp -o draw_images
    ./draw_images train.bin --count 20000 --seed 1
    ./draw_images test.bin --count 2000 --seed 2
    python3 examples/embedded/train.py train.bin test.bin --out examples/embedded

It writes, into the folder given with --out:
    embedded.safetensors            the weights, named as in the state_dict of `Network`
    embedded_reference.safetensors  `logits` [32, 10], FP32, of the first 32 test images

The weights in the repository were trained this way and reach 95.75 % on the 2000 test images.

The seeds are fixed. The images are the same on every machine; the last digits of the weights
depend on the version of PyTorch, the processor and the number of threads.
"""

import argparse
import json
import os
import pathlib
import struct
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

IMAGE_SHAPE = (3, 32, 32)
CLASS_COUNT = 10
REFERENCE_COUNT = 32
BATCH_SIZE = 50


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norms, the input added before the last ReLU."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + x)


class DepthwiseSeparable(nn.Module):
    """A 3x3 depthwise convolution of stride 2, then a 1x1 convolution, each with ReLU6."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.dw = nn.Conv2d(in_channels, in_channels, 3, stride=2, padding=1, groups=in_channels,
                            bias=False)
        self.dw_bn = nn.BatchNorm2d(in_channels)
        self.pw = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.pw_bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        x = F.relu6(self.dw_bn(self.dw(x)))
        return F.relu6(self.pw_bn(self.pw(x)))


class ConvUnit(nn.Module):
    """A convolution that keeps the image size, batch norm and ReLU."""

    def __init__(self, in_channels, out_channels, kernel):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Network(nn.Module):
    """The embedded network. Input [N, 3, 32, 32] scaled to (v - 0.5) / 0.25, output [N, 10]."""

    def __init__(self):
        super().__init__()
        self.stem = ConvUnit(3, 16, 3)
        self.down1 = DepthwiseSeparable(16, 32)
        self.res1 = ResidualBlock(32)
        self.branch1 = ConvUnit(32, 32, 1)
        self.branch3 = ConvUnit(32, 32, 3)
        self.res2 = ResidualBlock(64)
        self.head = ConvUnit(64, 96, 1)
        self.fc = nn.Linear(96, CLASS_COUNT)

    def forward(self, x):
        x = self.down1(self.stem(x))  # 32 x 16 x 16
        x = F.max_pool2d(self.res1(x), 2)  # 32 x 8 x 8
        x = torch.cat([self.branch1(x), self.branch3(x)], dim=1)  # 64 x 8 x 8
        x = F.avg_pool2d(self.res2(x), 2)  # 64 x 4 x 4
        x = self.head(x)  # 96 x 4 x 4
        return self.fc(x.mean(dim=(2, 3)))


def read_images(path):
    """Reads a file written by draw_images; returns (images [N, 3, 32, 32], labels [N])."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        header = file.read(8)
        if len(header) != 8:
            raise ValueError(f"{path}: too short for the count of images")
        (count,) = struct.unpack("<q", header)
        values = int(np.prod(IMAGE_SHAPE))
        if count < 1 or size != 8 + count * (4 * values + 8):
            raise ValueError(f"{path}: {size} bytes do not fit {count} images")
        planes = np.fromfile(file, "<f4", count * values).reshape(count, *IMAGE_SHAPE)
        labels = np.fromfile(file, "<i8", count)
    if labels.min() < 0 or labels.max() >= CLASS_COUNT:
        raise ValueError(f"{path}: a label is not in 0..{CLASS_COUNT - 1}")
    return torch.from_numpy(planes), torch.from_numpy(labels)


def write_safetensors(path, tensors):
    """Writes a dict of float32 tensors; the data start at a multiple of 64 bytes."""
    header = {}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for tensor in tensors.values():
            file.write(tensor.detach().contiguous().numpy().astype("<f4").tobytes())
    os.replace(temporary, path)


def predict(network, images):
    """Returns the logits of the images, with the batch norms in inference mode."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(batch) for batch in images.split(BATCH_SIZE)])


def accuracy(network, images, labels):
    """Returns the share of images, in [0, 1], whose largest logit is that of the label."""
    return (predict(network, images).argmax(dim=1) == labels).double().mean().item()


def random_flips(images):
    """Mirrors the batch at random; every class keeps its name when mirrored."""
    axes = [axis for axis in (2, 3) if torch.rand(()) < 0.5]
    images = images.flip(axes) if axes else images
    images = images.transpose(2, 3) if torch.rand(()) < 0.5 else images
    return images.contiguous(memory_format=torch.channels_last)


def train(network, images, labels, epochs):
    """Trains in place: SGD with Nesterov momentum, a one-cycle learning rate, mirrored images."""
    steps = epochs * (len(images) // BATCH_SIZE)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4,
                                nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=steps,
                                                   pct_start=0.2)
    for epoch in range(epochs):
        start = time.monotonic()
        network.train()
        total = 0.0
        for batch in torch.randperm(len(images))[:steps // epochs * BATCH_SIZE].split(BATCH_SIZE):
            loss = F.cross_entropy(network(random_flips(images[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total * epochs / steps:.4f}, "
              f"{time.monotonic() - start:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Trains the embedded example network.")
    parser.add_argument("train", type=pathlib.Path, help="training images, from draw_images")
    parser.add_argument("test", type=pathlib.Path, help="test images, from draw_images")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."),
                        help="folder to write the safetensors files to")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    try:
        train_images, train_labels = read_images(options.train)
        test_images, test_labels = read_images(options.test)
        if len(test_images) < REFERENCE_COUNT:
            raise ValueError(f"{options.test}: fewer than {REFERENCE_COUNT} images")
        options.out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        sys.exit(f"train.py: {error}")

    # Channels-last convolutions are about a third faster on a CPU.
    network = Network().to(memory_format=torch.channels_last)
    train(network, train_images, train_labels, options.epochs)
    print(f"parameters: {sum(p.numel() for p in network.parameters())}")
    print(f"test accuracy: {100 * accuracy(network, test_images, test_labels):.2f} %")

    weights = {name: tensor for name, tensor in network.state_dict().items()
               if not name.endswith("num_batches_tracked")}
    write_safetensors(options.out / "embedded.safetensors", weights)
    write_safetensors(options.out / "embedded_reference.safetensors",
                      {"logits": predict(network, test_images[:REFERENCE_COUNT])})


if __name__ == "__main__":
    main()
