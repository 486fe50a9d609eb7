// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "solady/auth/Ownable.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";
import {LibClone} from "solady/utils/LibClone.sol";
import {RevenueSplitter} from "./RevenueSplitter.sol";

/// @title Makes revenue splitters
/// @notice See IRevenueSplitterFactory for the whole documentation.
contract RevenueSplitterFactory is IRevenueSplitterFactory, Ownable {
    uint256 internal constant MAX_SUPPLY = 1e27;
    uint256 internal constant MAX_PROTOCOL_BPS = 1000;

    /// @inheritdoc IRevenueSplitterFactory
    IComputeCapacity public immutable CAPACITY;
    /// @inheritdoc IRevenueSplitterFactory
    IComputeLease public immutable LEASE;

    /// @inheritdoc IRevenueSplitterFactory
    mapping(address account => bool) public isSplitter;
    /// @inheritdoc IRevenueSplitterFactory
    mapping(address token => bool) public isDividendToken;
    IRevenueSplitter.Leg internal _protocolLeg;

    /// @notice Safety rests on: `lease` counts for each capacity what it owes to the payee, counts
    /// a release before it moves the money, and takes neither back; `capacity` never changes a
    /// payee.
    /// @param owner Who sets the protocol's leg and allows dividend tokens: a Safe behind a timelock
    /// on a real network.
    constructor(address owner, IComputeCapacity capacity, IComputeLease lease) {
        require(owner != address(0), BadAddress("owner", owner));
        require(address(capacity) != address(0), BadAddress("capacity", address(0)));
        require(address(lease) != address(0), BadAddress("lease", address(0)));
        _initializeOwner(owner);
        CAPACITY = capacity;
        LEASE = lease;
    }

    /// @inheritdoc IRevenueSplitterFactory
    function create(SplitterConfig calldata config) external returns (address splitter) {
        // Check
        IRevenueSplitter.Leg memory protocol = _protocolLeg;
        require(
            protocol.bps <= config.maxProtocolBps,
            ProtocolTakesTooMuch(protocol.bps, config.maxProtocolBps)
        );
        (address payee, address stablecoin) = CAPACITY.payeeOf(config.capacity);
        splitter = predict(msg.sender, config.capacity, stablecoin, config.supply);
        require(splitter == payee, NotPayee(config.capacity, splitter, payee));
        require(!isSplitter[splitter], AlreadyCreated(splitter));

        // Effect
        isSplitter[splitter] = true;
        emit SplitterCreated(
            splitter,
            config.capacity,
            config.holder,
            msg.sender,
            stablecoin,
            config.supply,
            _allLegs(config.legs, protocol)
        );
        new RevenueSplitter{salt: _saltOf(msg.sender)}(
            LEASE,
            config.capacity,
            stablecoin,
            config.supply
        );
        IRevenueSplitter(splitter).initialize(config.holder, config.legs, protocol);
    }

    /// @inheritdoc IRevenueSplitterFactory
    function setProtocolLeg(uint256 bps, address recipient) external onlyOwner {
        require(bps <= MAX_PROTOCOL_BPS, ProtocolTakesTooMuch(bps, MAX_PROTOCOL_BPS));
        require(bps == 0 || recipient != address(0), BadAddress("recipient", recipient));
        _protocolLeg = IRevenueSplitter.Leg({
            recipient: recipient,
            bps: uint16(bps),
            isFixed: true
        });
        emit ProtocolLegSet(bps, recipient);
    }

    /// @inheritdoc IRevenueSplitterFactory
    function setDividendToken(address token, bool allowed) external onlyOwner {
        require(token.code.length != 0, BadAddress("token", token));
        isDividendToken[token] = allowed;
        emit DividendTokenSet(token, allowed);
    }

    /// @dev The splitter itself keeps legs within their bounds.
    function _allLegs(
        IRevenueSplitter.Leg[] calldata own,
        IRevenueSplitter.Leg memory protocol
    ) internal pure returns (IRevenueSplitter.Leg[] memory legs) {
        legs = new IRevenueSplitter.Leg[](protocol.bps == 0 ? own.length : own.length + 1);
        for (uint256 i; i < own.length; ++i) legs[i] = own[i];
        if (protocol.bps != 0) legs[own.length] = protocol;
    }

    /// @inheritdoc IRevenueSplitterFactory
    function predict(
        address creator,
        uint256 capacity,
        address stablecoin,
        uint256 supply
    ) public view returns (address splitter) {
        require(supply != 0 && supply <= MAX_SUPPLY, SupplyOutOfRange(supply, MAX_SUPPLY));
        bytes memory initCode = abi.encodePacked(
            type(RevenueSplitter).creationCode,
            abi.encode(LEASE, capacity, stablecoin, supply)
        );
        return
            LibClone.predictDeterministicAddress(
                keccak256(initCode),
                _saltOf(creator),
                address(this)
            );
    }

    /// @inheritdoc IRevenueSplitterFactory
    function protocolLeg() external view returns (IRevenueSplitter.Leg memory) {
        return _protocolLeg;
    }

    /// @dev Nobody can make a splitter where another's is expected.
    function _saltOf(address creator) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(creator)));
    }
}
