"""A real DLMS server of gurux-dlms, in a thread, on a TCP port.

The server of version 1.0.203 does not run as it comes; what is repaired here is marked.
"""

import socket
import threading
from importlib import import_module

from gurux_dlms import GXDLMSServer, GXServerReply
from gurux_dlms.enums import (
    AccessMode,
    Authentication,
    DataType,
    InterfaceType,
    MethodAccessMode,
    ObjectType,
    SourceDiagnostic,
    Unit,
)
from gurux_dlms.objects import (
    GXDLMSAssociationLogicalName,
    GXDLMSDisconnectControl,
    GXDLMSRegister,
)
from gurux_dlms.objects.enums import ControlState


def register(obis, value, scaler, unit, kind=DataType.UINT64):
    """A register; ``scaler`` is a power of ten."""
    item = GXDLMSRegister(obis)
    item.value, item.scaler, item.unit = value, 10.0**scaler, unit
    item.setDataType(2, kind)
    return item


# the package hides the module behind the class of the same name
handler = import_module("gurux_dlms.GXDLMSLNCommandHandler")


class Call(handler.ValueEventArgs):
    """Repaired: a call that the server turns into a list."""

    def __iter__(self):
        yield self


handler.ValueEventArgs = Call


class Reply(GXServerReply):
    """Repaired: accessors that the server calls and the class has not."""

    def setReply(self, value):
        self.reply = value

    def getConnectionInfo(self):
        return self.connectionInfo


class DlmsMeter(GXDLMSServer):
    """An electricity meter with a relay, for client 16."""

    def __init__(self, password="", server=1):
        super().__init__(True, InterfaceType.WRAPPER)
        self.password, self.server, self.calls = password, server, []
        self.associations = 0
        self.energy = register("1.0.1.8.0.255", 2**53 + 1, -3, Unit.ACTIVE_ENERGY)
        self.relay = GXDLMSDisconnectControl("0.0.96.3.10.255")
        self.relay.controlState = ControlState.CONNECTED
        self.relay.outputState = True
        self.items.append(self.energy)
        self.items.append(self.relay)
        voltage = register("1.0.32.7.0.255", 2304, -1, Unit.VOLTAGE, DataType.UINT16)
        self.items.append(voltage)
        # repaired: initialize() fails on an association without a list of its own
        association = GXDLMSAssociationLogicalName()
        self.items.append(association)
        association.objectList.append(self.energy)
        self.initialize()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        """Take no more connections."""
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection):
        while data := connection.recv(4096):
            reply = Reply(bytearray(data))
            self.handleRequest(reply)
            if reply.reply:
                connection.sendall(bytes(reply.reply))
        self.reset()

    # -- what the library asks the meter ------------------------------------------
    def isTarget(self, serverAddress, clientAddress):
        return (serverAddress, clientAddress) == (self.server, 16)

    def onValidateAuthentication(self, authentication, password):
        given = bytes(password or b"").decode()
        needed = Authentication.LOW if self.password else Authentication.NONE
        if authentication == needed and given == self.password:
            self.associations += 1
            return SourceDiagnostic.NONE
        return SourceDiagnostic.AUTHENTICATION_FAILURE

    def onGetAttributeAccess(self, arg):
        return AccessMode.READ

    def onGetMethodAccess(self, arg):
        return MethodAccessMode.ACCESS

    def onFindObject(self, objectType, sn, ln):
        return None

    def onPreAction(self, args):
        for call in args:
            if call.target.objectType == ObjectType.DISCONNECT_CONTROL:
                self.calls.append(call.index)
                opened = call.index == 1
                self.relay.controlState = (
                    ControlState.DISCONNECTED if opened else ControlState.CONNECTED
                )
                call.handled, call.value = True, 0

    def _nothing(self, *_):
        """No interest."""

    onPreRead = onPostRead = onPreWrite = onPostWrite = onPreGet = onPostGet = _nothing
    notifyRead = _nothing  # repaired: called and not there
    onPostAction = onConnected = onInvalidConnection = onDisconnected = _nothing
