"""How bytes get on a wire: Modbus RTU, M-Bus, DL/T 645, DLMS/COSEM."""
