// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IBondEngine} from "interfaces/IBondEngine.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {StakePool} from "./StakePool.sol";

/// @title The bond that stands behind a capacity's promise
/// @notice See IServiceBond for the whole documentation. The stakers' side is in `StakePool`.
contract ServiceBond is StakePool {
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    /// @inheritdoc IServiceBond
    uint256 public constant EXIT_DELAY = 7 days;

    address internal immutable _DEPLOYER;

    /// @dev The request holds for its owner alone, whoever owns the deed in between.
    struct ExitRequest {
        address owner;
        uint40 exitableAt;
    }

    mapping(uint256 capacity => ExitRequest) internal _exitRequests;

    modifier onlyEngine() {
        require(msg.sender == address(engine), NotEngine(msg.sender));
        _;
    }

    modifier onlyDeedOwner(uint256 capacity) {
        address owner = IERC721(address(CAPACITY)).ownerOf(capacity);
        require(msg.sender == owner, NotDeedOwner(capacity, msg.sender));
        _;
    }

    /// @notice Safety rests on: the stablecoin of every capacity moves exactly what it says and calls
    /// nobody; payee, stablecoin and clock of a capacity never change; the engine is what
    /// IBondEngine asks for. Liveness rests on: the stablecoin lets the bond pay and the receiver be
    /// paid; epochs can be settled by anyone. Payees need not be honest: they can withhold rewards,
    /// their own capacity's, and nothing else.
    /// @param capacity The deeds.
    constructor(IComputeCapacity capacity) {
        require(address(capacity) != address(0), BadReceiver(address(0)));
        CAPACITY = capacity;
        _DEPLOYER = msg.sender;
    }

    /// @inheritdoc IServiceBond
    function bind(IBondEngine newEngine) external {
        require(msg.sender == _DEPLOYER, NotDeployer(msg.sender));
        require(address(engine) == address(0), AlreadyBound(address(engine)));
        require(
            newEngine.CAPACITY() == CAPACITY && newEngine.BOND() == this,
            ForeignEngine(address(newEngine))
        );
        engine = newEngine;
        emit Bound(newEngine);
    }

    // ------------------------------------------------------------------ the lease engine

    /// @inheritdoc IServiceBond
    function reserve(
        uint256 capacity,
        uint256 epoch,
        uint256 wanted
    ) external onlyEngine nonReadReentrant returns (uint256 reserved) {
        // Check
        Reserve storage slot = _reserves[capacity][epoch];
        require(slot.number == 0, AlreadyReserved(capacity, epoch));

        // Effect
        Books memory books = _books[capacity];
        uint24 generation = books.generation;
        uint256 ofOperator = wanted.min(books.operatorPart);
        ++books.reserves;
        books.operatorPart -= uint104(ofOperator); // at most what there is
        uint256 ofPool = _slash(capacity, epoch, wanted - ofOperator, books);
        _books[capacity] = books;
        _reserves[capacity][epoch] = Reserve({
            ofOperator: uint104(ofOperator),
            ofPool: uint104(ofPool), // at most the pool's assets
            number: books.reserves,
            generation: generation
        });
        emit Reserved(capacity, epoch, books.reserves, wanted, ofOperator, ofPool);
        return ofOperator + ofPool;
    }

    /// @inheritdoc IServiceBond
    function pay(
        uint256 capacity,
        uint256 epoch,
        address receiver,
        uint256 amount
    ) external onlyEngine nonReadReentrant {
        // Check
        Reserve memory slot = _reserveOf(capacity, epoch);
        if (amount == 0) return;
        uint256 left = uint256(slot.ofOperator) + slot.ofPool;
        require(amount <= left, NotEnough(amount, left));

        // Effect
        uint256 ofOperator = amount.min(slot.ofOperator);
        slot.ofOperator -= uint104(ofOperator); // each at most what is left of it
        slot.ofPool -= uint104(amount - ofOperator);
        _reserves[capacity][epoch] = slot;
        emit PenaltyPaid(capacity, epoch, receiver, amount);

        // Interaction
        _payOut(capacity, receiver, amount);
    }

    /// @inheritdoc IServiceBond
    function free(
        uint256 capacity,
        uint256 epoch
    ) external onlyEngine nonReadReentrant returns (uint256 amount) {
        Reserve memory slot = _reserveOf(capacity, epoch);
        amount = uint256(slot.ofOperator) + slot.ofPool;
        if (amount == 0) return 0;

        if (slot.ofOperator != 0) _books[capacity].operatorPart += slot.ofOperator;
        if (slot.ofPool != 0) _recoveries[capacity][epoch].amount += slot.ofPool;
        emit Freed(capacity, epoch, slot.ofOperator, slot.ofPool);
        slot.ofOperator = 0;
        slot.ofPool = 0;
        _reserves[capacity][epoch] = slot;
    }

    function _reserveOf(
        uint256 capacity,
        uint256 epoch
    ) internal view returns (Reserve memory slot) {
        slot = _reserves[capacity][epoch];
        require(slot.number != 0, NotReserved(capacity, epoch));
    }

    // ------------------------------------------------------------------ the operator

    /// @inheritdoc IServiceBond
    function deposit(uint256 capacity, uint256 amount) external nonReadReentrant {
        _deposit(capacity, _stablecoinOf(capacity), amount);
    }

    /// @inheritdoc IServiceBond
    function depositWithPermit(
        uint256 capacity,
        uint256 amount,
        Permit calldata permit
    ) external nonReadReentrant {
        address stablecoin = _stablecoinOf(capacity);
        _permit(stablecoin, permit);
        _deposit(capacity, stablecoin, amount);
    }

    /// @inheritdoc IServiceBond
    function stakeWithPermit(
        uint256 capacity,
        uint256 amount,
        Permit calldata permit
    ) external nonReadReentrant {
        address stablecoin = _stablecoinOf(capacity);
        _permit(stablecoin, permit);
        _stake(capacity, stablecoin, amount);
    }

    function _deposit(uint256 capacity, address stablecoin, uint256 amount) internal {
        // Check and effect
        Books storage books = _takeIn(capacity, amount);
        books.operatorPart += uint104(amount); // part of what is held
        emit Deposited(capacity, msg.sender, amount);

        // Interaction
        stablecoin.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @dev Whoever sees a permit can bring it first; what counts is the allowance that then stands.
    function _permit(address stablecoin, Permit calldata permit) internal {
        try
            IERC20Permit(stablecoin).permit(
                msg.sender,
                address(this),
                permit.value,
                permit.deadline,
                permit.v,
                permit.r,
                permit.s
            )
        // solhint-disable-next-line no-empty-blocks
        {} catch {}
    }

    /// @inheritdoc IServiceBond
    function requestExit(uint256 capacity) external nonReadReentrant onlyDeedOwner(capacity) {
        if (_exitRequests[capacity].owner == msg.sender) return;
        uint256 exitableAt = block.timestamp + EXIT_DELAY;
        _exitRequests[capacity] = ExitRequest(msg.sender, exitableAt.toUint40());
        emit ExitRequested(capacity, msg.sender, exitableAt);
    }

    /// @inheritdoc IServiceBond
    function cancelExit(uint256 capacity) external nonReadReentrant {
        _ownRequest(capacity);
        delete _exitRequests[capacity];
        emit ExitCancelled(capacity, msg.sender);
    }

    /// @inheritdoc IServiceBond
    function withdraw(
        uint256 capacity,
        uint256 amount,
        address receiver
    ) external nonReadReentrant onlyDeedOwner(capacity) {
        // Check
        require(amount != 0, ZeroAmount());
        uint256 exitableAt = _ownRequest(capacity);
        require(block.timestamp >= exitableAt, ExitNotReady(capacity, exitableAt));
        _requireOver(capacity, type(uint256).max);
        uint256 available = _books[capacity].operatorPart;
        require(amount <= available, NotEnough(amount, available));

        // Effect
        _books[capacity].operatorPart -= uint104(amount); // at most what there is
        emit Withdrawn(capacity, msg.sender, receiver, amount);

        // Interaction
        _payOut(capacity, receiver, amount);
    }

    /// @inheritdoc IServiceBond
    function passOn(
        uint256 capacity,
        uint256 leg,
        address token,
        address receiver
    ) external onlyDeedOwner(capacity) nonReentrant returns (uint256 amount) {
        // Check
        (address payee, address stablecoin) = CAPACITY.payeeOf(capacity);
        require(token != stablecoin, StakersToken(capacity, token));
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
        _requireSplitter(capacity, payee);

        // Interaction: the splitter pays the receiver, nothing comes here.
        amount = IRevenueSplitter(payee).claimLegToken(token, leg, receiver);
        emit PassedOn(capacity, leg, token, receiver, amount);
    }

    function _ownRequest(uint256 capacity) internal view returns (uint256 exitableAt) {
        ExitRequest memory request = _exitRequests[capacity];
        require(request.owner == msg.sender, NoExitRequest(capacity, msg.sender));
        return request.exitableAt;
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IServiceBond
    function bondOf(uint256 capacity) external view returns (uint256) {
        return uint256(_books[capacity].operatorPart) + _pools[capacity].assets;
    }

    /// @inheritdoc IServiceBond
    function operatorPartOf(uint256 capacity) external view returns (uint256) {
        return _books[capacity].operatorPart;
    }

    /// @inheritdoc IServiceBond
    function exitRequestOf(
        uint256 capacity
    ) external view returns (address owner, uint256 exitableAt) {
        ExitRequest memory request = _exitRequests[capacity];
        return (request.owner, request.exitableAt);
    }

    /// @inheritdoc IServiceBond
    function reserveOf(
        uint256 capacity,
        uint256 epoch
    ) external view returns (uint256 ofOperator, uint256 ofPool, uint256 number) {
        Reserve memory slot = _reserves[capacity][epoch];
        return (slot.ofOperator, slot.ofPool, slot.number);
    }
}
