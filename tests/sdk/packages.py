"""The packages that the SDK tests need can be imported by an ordinary user."""

import anthropic
import google.genai
import grpc
import grpc_reflection.v1alpha.proto_reflection_descriptor_database as reflection
import openai

print(openai.__version__, anthropic.__version__, google.genai.__version__, grpc.__version__, reflection.__name__)
