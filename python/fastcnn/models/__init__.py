"""Networks built on `fastcnn.nn`. Parameter names are torchvision's, so that its weights can be loaded."""

from fastcnn.models._common import Model
from fastcnn.models._detection import Detections, Detector
from fastcnn.models._files import ModelFile, load_model, save_model, shipped
from fastcnn.models._registry import MODELS, model
from fastcnn.models._weights import load_weights
from fastcnn.models.alexnet import alexnet
from fastcnn.models.efficientnet import (
    efficientnet_b0,
    efficientnet_b1,
    efficientnet_b2,
    efficientnet_b3,
    efficientnet_b4,
    efficientnet_b5,
    efficientnet_b6,
    efficientnet_b7,
)
from fastcnn.models.googlenet import googlenet
from fastcnn.models.instances import ObjectMaps, ObjectSegmenter, border_maps
from fastcnn.models.lenet import lenet1, lenet5
from fastcnn.models.mlp import mlp
from fastcnn.models.mobilenet import mobilenet_v2
from fastcnn.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from fastcnn.models.unet import unet
from fastcnn.models.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from fastcnn.models.yolo_v1 import yolo_v1
from fastcnn.models.yolox import yolox_l, yolox_m, yolox_nano, yolox_s, yolox_tiny, yolox_x

__all__ = [
    "MODELS",
    "Detections",
    "Detector",
    "Model",
    "ModelFile",
    "ObjectMaps",
    "ObjectSegmenter",
    "alexnet",
    "border_maps",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "googlenet",
    "lenet1",
    "lenet5",
    "load_model",
    "load_weights",
    "mlp",
    "mobilenet_v2",
    "model",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "save_model",
    "shipped",
    "unet",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "yolo_v1",
    "yolox_l",
    "yolox_m",
    "yolox_nano",
    "yolox_s",
    "yolox_tiny",
    "yolox_x",
]
